// A text cut into windows for `llorch-host perplexity`, and their scores: what llama.cpp's llama-perplexity computes.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "plugin/plugin.hpp"
#include "tokenizer/tokenizer.hpp"
#include "tools/kv_type.hpp"

namespace llorch::tools {

/// Windows of equal length, each computed from an empty cache.
struct Windows {
  std::vector<std::int32_t> ids;  ///< (count, length), the first of each replaced by BOS where `bos`
  std::uint32_t length = 0;
  std::uint32_t count = 0;
  bool bos = false;
  std::uint64_t text_tokens = 0;  ///< of the whole text, the rest beyond the last window included

  /// The logits of positions [first(), length - 1) are scored, each with the id that follows it.
  [[nodiscard]] std::uint32_t first() const { return length / 2; }
  [[nodiscard]] std::uint32_t scored_each() const { return length - 1 - first(); }
  [[nodiscard]] std::span<const std::int32_t> window(std::uint32_t i) const {
    return std::span(ids).subspan(std::size_t{i} * length, length);
  }
};

/// The text is encoded once, with BOS where the tokenizer puts one (its EOS is left out), and cut every `length`
/// tokens; what is left over is dropped. Where the tokenizer puts a BOS, the first token of every window is replaced by
/// it. `most`: 0 for all. kInvalidArgument when the text does not fill one window or the tokenizer makes ids that a
/// model of `vocab_size` does not have.
[[nodiscard]] Result<Windows> cut_text(const tokenizer::Tokenizer& tokenizer, std::string_view text,
                                       std::uint32_t length, std::uint32_t most, std::uint32_t vocab_size);

struct ScoreOptions {
  std::uint32_t threads = 1;
  std::uint32_t batch_tokens = 512;  ///< rows a forward, less where their logits would take more than 64 MiB
  KvTypes kv = {};
};

/// Called for each scored position in order: the distribution after it, (vocab_size) natural logarithms of
/// probabilities as f32, and the id that follows in the text. An error ends the run.
using ScoreFn = std::function<Result<void>(std::span<const float> log_probs, std::int32_t next)>;

/// kBadModel when a plugin returns logits that are no numbers; otherwise the plugin's own errors. `window_done` gets
/// the number of windows behind it. Memory: one context of `length` tokens and the logits of one forward.
[[nodiscard]] Result<void> score(plugin::Model& model, const Windows& windows, const ScoreOptions& options,
                                 const ScoreFn& position, const std::function<void(std::uint32_t)>& window_done = {});

/// Natural logarithms of the softmax of `logits`, computed in double and rounded to f32; false when one is NaN or
/// +infinity, or all are -infinity.
[[nodiscard]] bool log_softmax(std::span<const float> logits, std::vector<float>& log_probs);

}  // namespace llorch::tools
