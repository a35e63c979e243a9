// tokenizer.json: any bytes load or fail with a message; what loads encodes and decodes text to itself.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/json.hpp"
#include "tokenizer/tokenizer_json.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace llorch::tokenizer;
  const auto document = llorch::parse_json({reinterpret_cast<const char*>(data), size});
  if (!document) return 0;
  const auto spec = bpe_from_tokenizer_json(*document, "tokenizer.json");
  if (!spec) {
    if (spec.error().message.empty()) std::abort();
    return 0;
  }
  const auto tokenizer = make_bpe_tokenizer(*spec);
  if (!tokenizer) {
    if (tokenizer.error().message.empty()) std::abort();
    return 0;
  }
  constexpr std::string_view kText = "Hello, the w\xC3\xB6rld's <s>  42\n\n\xFF";
  // A prefix space or a token that strips white space changes the text by design.
  bool exact = !spec->add_prefix_space;
  for (const AddedToken& token : spec->added)
    exact = exact && !token.lstrip && !token.rstrip;
  for (const bool parse_special : {false, true}) {
    const auto ids = (*tokenizer)->encode(kText, {.add_special = false, .parse_special = parse_special});
    if (exact && (*tokenizer)->decode(ids) != kText) std::abort();
    (void)(*tokenizer)->encode(kText, {.add_special = true, .parse_special = parse_special});
  }
  return 0;
}
