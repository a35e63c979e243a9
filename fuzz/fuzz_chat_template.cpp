// Chat templates: any bytes parse and render, or fail with a message, within the limits; foreign ranges lie in the
// text.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/text.hpp"
#include "chat/jinja_template.hpp"
#include "chat/printing.hpp"

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

llorch::chat::Value message(std::string_view role, std::string_view content) {
  using namespace llorch::chat;
  const auto text = [](std::string_view of, Origin origin) { return free_text(of, origin); };
  return free_dict({{text("role", Origin::kTemplate), text(role, Origin::kTemplate)},
                    {text("content", Origin::kTemplate), text(content, Origin::kForeign)}});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace llorch::chat;
  const auto parsed = JinjaTemplate::parse(std::string(reinterpret_cast<const char*>(data), size));
  if (!parsed) {
    check(!parsed.error().message.empty());
    return 0;
  }
  const Context context = {
      {"messages", free_list({message("system",
                                      "Be br\xC3\xAF"
                                      "ef."),
                              message("user", " hi <s>\n"), message("assistant", "")})},
      {"bos_token", free_text("<s>", Origin::kTemplate)},
      {"add_generation_prompt", true},
  };
  RenderOptions options;
  options.limits = {.steps = 20'000, .output_bytes = 100'000, .memory_bytes = 2'000'000, .depth = 400};
  options.now = {};
  const auto text = parsed->render(context, options);
  if (!text) {
    check(!text.error().message.empty());
    return 0;
  }
  check(text->size() <= options.limits.output_bytes && llorch::is_utf8(text->bytes()));
  std::size_t done = 0;
  for (const TextRange& range : text->foreign()) {
    check(range.begin >= done && range.end > range.begin && range.end <= text->size());
    done = range.end;
  }
  return 0;
}
