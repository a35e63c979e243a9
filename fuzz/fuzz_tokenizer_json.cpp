// tokenizer.json: any bytes load or fail with a message; what loads encodes and decodes text to itself.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "tokenizer/spm_json.hpp"
#include "tokenizer/tokenizer_json.hpp"

namespace {

constexpr std::string_view kText = "Hello, the w\xC3\xB6rld's <s>  42\n\n\xFF";

// Fails with a message, or gives ids of the vocabulary.
void check(const llorch::Result<std::unique_ptr<llorch::tokenizer::Tokenizer>>& tokenizer) {
  if (!tokenizer) {
    if (tokenizer.error().message.empty()) std::abort();
    return;
  }
  for (const bool on : {false, true}) {
    for (const auto id : (*tokenizer)->encode(kText, {.add_special = on, .parse_special = on})) {
      if (id < 0 || static_cast<std::uint32_t>(id) >= (*tokenizer)->vocab_size()) std::abort();
    }
  }
}

// Whether the pieces laid end to end are the text.
bool kept_whole(const llorch::tokenizer::PreTokenizer& pre_tokenizer) {
  std::vector<llorch::tokenizer::TextRange> pieces;
  pre_tokenizer.split(kText, pieces);
  std::size_t done = 0;
  for (const auto& piece : pieces) {
    if (piece.begin != done) return false;
    done = piece.end;
  }
  return done == kText.size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace llorch::tokenizer;
  const auto document = llorch::parse_json({reinterpret_cast<const char*>(data), size});
  if (!document) return 0;
  if (is_spm_json(*document)) {
    const auto spec = spm_from_tokenizer_json(*document, "tokenizer.json");
    if (!spec && spec.error().message.empty()) std::abort();
    if (spec) check(make_spm_tokenizer(*spec));
    return 0;
  }
  const auto spec = bpe_from_tokenizer_json(*document, "tokenizer.json");
  if (!spec) {
    if (spec.error().message.empty()) std::abort();
    return 0;
  }
  const auto tokenizer = make_bpe_tokenizer(*spec);
  check(tokenizer);
  if (!tokenizer) return 0;
  // A prefix space, a token that strips white space, a pattern that drops text or bytes without a token change the text
  // by design.
  bool exact = !spec->add_prefix_space && (spec->pre_tokenizer == nullptr || kept_whole(*spec->pre_tokenizer));
  for (const AddedToken& token : spec->added)
    exact = exact && !token.lstrip && !token.rstrip;
  exact = exact && (*tokenizer)->find("\xFF").has_value();
  for (const bool parse_special : {false, true}) {
    const auto ids = (*tokenizer)->encode(kText, {.add_special = false, .parse_special = parse_special});
    if (exact && (*tokenizer)->decode(ids) != kText) std::abort();
  }
  return 0;
}
