// Facts that others published about well-known models: what they write for which prompt.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "checkpoint/ladder.hpp"
#include "model_file/model_file.hpp"

namespace llorch::checkpoint {

/// The ids of a prompt, a greedy continuation as ids or as text, or both.
struct KnownText {
  std::string_view prompt;               ///< empty: `prompt_ids` holds the prompt
  std::vector<std::int32_t> prompt_ids;  ///< with a prompt: what it must tokenize to, when that is known
  std::vector<std::int32_t> new_ids;     ///< greedy, when known
  std::string_view new_text;             ///< greedy: the continuation starts with it
  std::string_view source;
  bool add_special = false;  ///< with a prompt: its ids begin with BOS, as its vocabulary says
};

struct KnownModel {
  std::string_view name, architecture;
  std::uint64_t n_layers = 0, n_heads = 0, n_embd = 0, vocab_size = 0, context_length = 0;
  std::vector<KnownText> texts;
};

[[nodiscard]] const std::vector<KnownModel>& known_models();
/// kNotFound lists the names there are.
[[nodiscard]] Result<const KnownModel*> find_known_model(std::string_view name);

/// Rung 0 (is this that model, by its shape), 12 (its texts). Stops at the first that fails. `subject.tokenizer` is
/// needed.
[[nodiscard]] Result<LadderResult> check_known(const Subject& subject, const model_file::ModelFile& file,
                                               const KnownModel& known,
                                               const std::function<void(const Rung&)>& on_rung = {});

}  // namespace llorch::checkpoint
