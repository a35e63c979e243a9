#include "api/prompt_tokens.hpp"

#include <spdlog/fmt/fmt.h>

#include "tokenizer/bos_rule.hpp"

namespace llorch::api {

std::vector<std::int32_t> encode_prompt(const tokenizer::Tokenizer& tokenizer, std::string_view text) {
  std::vector<std::int32_t> ids = tokenizer.encode(text, {.add_special = true, .parse_special = true});
  if (text.empty() || ids.size() < 2 || ids[0] != ids[1]) return ids;
  if (tokenizer::bos_by_rule(tokenizer) == ids.front()) ids.erase(ids.begin());  // the text begins with its own
  return ids;
}

void check_prompt_length(std::string_view field, std::size_t tokens, std::uint32_t context,
                         std::vector<Fault>& faults) {
  if (tokens >= 1 && tokens <= context) return;
  faults.push_back({std::string(field), fmt::format("tokens(1..={})", context),
                    tokens == 0 ? fmt::format("{} has no tokens", field)
                                : fmt::format("{} has {} tokens, the context holds {}", field, tokens, context),
                    tokens});
}

bool exceeds_context(const Fault& fault) {
  return fault.constraint.starts_with("tokens(") && fault.value.is_number() && fault.value.to_number<double>() > 0;
}

}  // namespace llorch::api
