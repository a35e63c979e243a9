#include "tools/windows.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace llorch::tools {

Result<Windows> cut_text(const tokenizer::Tokenizer& tokenizer, std::string_view text, std::uint32_t length,
                         std::uint32_t most, std::uint32_t vocab_size) {
  if (length < 4) {
    return make_error(ErrorCode::kInvalidArgument, fmt::format("window: expected at least 4 tokens, found {}", length));
  }
  Windows windows;
  windows.length = length;
  windows.ids = tokenizer.encode(text, {.add_special = true});
  // What the tokenizer puts around nothing is what it puts around any text: BOS before it, EOS after it.
  std::vector<std::int32_t> around = tokenizer.encode("", {.add_special = true});
  windows.bos = !around.empty() && tokenizer.bos() == around.front();
  const std::size_t after = around.size() - (windows.bos ? 1 : 0);
  windows.ids.resize(windows.ids.size() - std::min(after, windows.ids.size()));
  windows.text_tokens = windows.ids.size();

  const std::uint64_t whole = windows.ids.size() / length;
  if (whole == 0) {
    return make_error(ErrorCode::kInvalidArgument,
                      fmt::format("text: expected at least {} tokens, one window (-c sets it), found {}", length,
                                  windows.ids.size()));
  }
  const std::uint64_t limit = most > 0 ? most : std::numeric_limits<std::uint32_t>::max();
  windows.count = static_cast<std::uint32_t>(std::min(whole, limit));
  windows.ids.resize(std::size_t{windows.count} * length);
  if (windows.bos) {
    for (std::uint32_t i = 0; i < windows.count; ++i)
      windows.ids[std::size_t{i} * length] = around.front();
  }
  for (const std::int32_t id : windows.ids) {
    if (id >= 0 && static_cast<std::uint32_t>(id) < vocab_size) continue;
    return make_error(ErrorCode::kBadModel, fmt::format("tokenizer: expected ids below the model's vocabulary of {}, "
                                                        "found {}",
                                                        vocab_size, id));
  }
  return windows;
}

bool log_softmax(std::span<const float> logits, std::vector<float>& log_probs) {
  double largest = -std::numeric_limits<double>::infinity();
  for (const float logit : logits) {
    if (std::isnan(logit)) return false;
    largest = std::max(largest, double{logit});
  }
  if (!std::isfinite(largest)) return false;
  double sum = 0;
  for (const float logit : logits)
    sum += std::exp(double{logit} - largest);
  const double log_sum = std::log(sum);
  log_probs.resize(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i)
    log_probs[i] = static_cast<float>(double{logits[i]} - largest - log_sum);
  return true;
}

Result<void> score(plugin::Model& model, const Windows& windows, const ScoreOptions& options, const ScoreFn& position,
                   const std::function<void(std::uint32_t)>& window_done) {
  constexpr std::uint64_t kLogitBytes = 64ULL << 20;
  const std::uint64_t row_bytes = std::uint64_t{model.info().vocab_size} * sizeof(float);
  const std::uint64_t fitting = std::max<std::uint64_t>(kLogitBytes / std::max<std::uint64_t>(row_bytes, 1), 1);
  plugin::ContextParams params;
  params.max_tokens = windows.length;
  params.n_threads = options.threads;
  options.kv.put_into(params);
  params.max_batch_tokens =
      static_cast<std::uint32_t>(std::min<std::uint64_t>({options.batch_tokens, windows.length, fitting}));
  params.max_output_rows = params.max_batch_tokens;
  const auto context = model.create_context(params);
  if (!context) return context.error();

  std::vector<std::int32_t> positions(windows.length);
  std::iota(positions.begin(), positions.end(), 0);
  const std::vector<std::int32_t> seq_ids(windows.length, 0);
  std::vector<std::uint32_t> flags(windows.length, 0);
  std::fill(flags.begin() + windows.first(), flags.end() - 1, LLORCH_OUTPUT_LOGITS);
  const std::uint32_t needed = windows.length - 1;  // the last id is only asked for, never computed
  std::vector<float> log_probs;
  for (std::uint32_t w = 0; w < windows.count; ++w) {
    if (const auto emptied = (*context)->kv_seq_remove(0, -1, -1); !emptied) return emptied.error();
    const auto ids = windows.window(w);
    std::uint32_t at = windows.first();
    for (std::uint32_t begin = 0; begin < needed; begin += params.max_batch_tokens) {
      const std::uint32_t rows = std::min(params.max_batch_tokens, needed - begin);
      const auto part = [&](const auto& v) { return std::span(v).subspan(begin, rows); };
      const auto output = (*context)->forward(part(ids), part(positions), part(seq_ids), part(flags));
      if (!output) return output.error();
      for (std::uint32_t row = 0; row < output->n_rows; ++row, ++at) {
        if (!log_softmax(output->row(row), log_probs)) {
          return make_error(ErrorCode::kBadModel,
                            fmt::format("window {}, position {}: expected logits that are numbers, found one that is "
                                        "none",
                                        w, at));
        }
        if (const auto taken = position(log_probs, ids[at + 1]); !taken) return taken.error();
      }
    }
    if (window_done) window_done(w + 1);
  }
  return {};
}

}  // namespace llorch::tools
