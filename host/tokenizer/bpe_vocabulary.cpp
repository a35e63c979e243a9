#include "tokenizer/bpe_vocabulary.hpp"

#include <spdlog/fmt/fmt.h>

#include "base/text.hpp"
#include "tokenizer/byte_alphabet.hpp"

namespace llorch::tokenizer {

Result<TokenTable> build_bpe_vocabulary(const BpeSpec& spec) {
  if (spec.tokens.size() > kMaxVocabulary) {
    return bad_spec(spec, fmt::format("{}: expected at most {} tokens, found {}", spec.tokens_field, kMaxVocabulary,
                                      spec.tokens.size()));
  }
  auto added = added_by_id(spec);
  if (!added) return added.error();
  const std::size_t size = added->size();

  TokenTable table;
  std::vector<bool> from_alphabet(size);  // only such tokens can come out of merging
  for (std::size_t id = 0; id < size; ++id) {
    const std::string_view spelling = id < spec.tokens.size() ? spec.tokens[id] : std::string_view();
    const AddedToken* as_added = (*added)[id];
    if (as_added != nullptr && spelling.data() != nullptr && spelling != as_added->content) {
      return bad_spec(spec, fmt::format("id {} is {} among the added tokens but {} in {}", id, quote(as_added->content),
                                        quote(spelling), spec.tokens_field));
    }
    const auto bytes = spelling_to_bytes(spelling);
    from_alphabet[id] = bytes && !bytes->empty();
    if (as_added != nullptr) {
      table.append(as_added->content);
      // An added token that only looks like bytes in the alphabet ("Ġ") stands for its own spelling.
      from_alphabet[id] = from_alphabet[id] && *bytes == as_added->content;
    } else {
      table.append(bytes ? std::string_view(*bytes) : spelling);
    }
  }

  for (std::size_t id = 0; id < size; ++id) {
    if (!from_alphabet[id] || table.index(id)) continue;
    return bad_spec(spec, fmt::format("{}: tokens {} and {} are both {}", spec.tokens_field,
                                      table.find(table.bytes(id))->id, id, quote(spec.tokens[id])));
  }
  return table;
}

}  // namespace llorch::tokenizer
