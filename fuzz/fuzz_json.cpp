// JSON: any bytes parse or fail with a message; what parses means the same after it is written and read again.
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "base/text.hpp"
#include "model_file/architecture.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = llorch::parse_json(text);
  if (!parsed) {
    if (!parsed.error().message.starts_with("invalid JSON at byte ")) std::abort();
    return 0;
  }
  if (!llorch::is_utf8(text)) std::abort();
  const auto again = llorch::parse_json(boost::json::serialize(*parsed));
  if (!again || *again != *parsed) std::abort();
  if (const auto* object = parsed->if_object()) {
    (void)llorch::model_file::find_architecture("gpt2")->convert_config(*object, "config.json");
  }
  return 0;
}
