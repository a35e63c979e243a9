// tokenizer.model (SentencePiece): any bytes load or fail with a message; what loads encodes and decodes text.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tokenizer/spm_model_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace llorch::tokenizer;
  const auto spec = spm_from_model_file({reinterpret_cast<const char*>(data), size}, "tokenizer.model");
  if (!spec) {
    if (spec.error().message.empty()) std::abort();
    return 0;
  }
  const auto tokenizer = make_spm_tokenizer(*spec);
  if (!tokenizer) {
    if (tokenizer.error().message.empty()) std::abort();
    return 0;
  }
  constexpr std::string_view kText = "  Hello, the w\xC3\xB6rld's <s>  42\n\n\xFF";
  // Without bytes for strange characters, and with spaces removed, the text changes by design.
  const bool exact = spec->byte_fallback && !spec->remove_extra_spaces && spec->space_prefix == SpacePrefix::kEveryText;
  const auto ids = (*tokenizer)->encode(kText);
  for (const TokenId id : ids) {
    if (id < 0 || static_cast<std::uint32_t>(id) >= (*tokenizer)->vocab_size()) std::abort();
  }
  if (exact && (*tokenizer)->decode(ids) != kText) std::abort();
  (void)(*tokenizer)->encode(kText, {.add_special = true, .parse_special = true});
  return 0;
}
