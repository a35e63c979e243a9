#include "sampling/sampler.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "sampling/numerics.hpp"
#include "sampling/rows.hpp"

namespace llorch::sampling {
namespace {

constexpr float kGreedyBelow = 1e-6F;
constexpr float kSmallestRepetitionPenalty = 1e-6F;  // 0 is allowed on the wire and must not divide

bool is_usable(const RowScan& scan) {
  return scan.sound && scan.largest != -std::numeric_limits<float>::infinity();
}

std::int32_t first_of(std::span<const float> logits, float value) {
  return static_cast<std::int32_t>(std::find(logits.begin(), logits.end(), value) - logits.begin());
}

bool by_token(const Candidate& a, const Candidate& b) {
  return a.token < b.token;
}

/// An edit must not turn a finite logit into an infinity: it stops at the largest float. -inf stays -inf.
float saturate(float x) {
  constexpr float kMax = std::numeric_limits<float>::max();
  return std::clamp(x, -kMax, kMax);
}

/// The element at which the running sum of `weights` first exceeds `target`, which must be below their ordered_sum().
/// Elements of weight 0 are never chosen. Blocks are skipped whole, in the order in which ordered_sum() adds them.
std::size_t pick(std::span<const double> weights, double target) {
  double sum = 0;
  std::size_t begin = 0;
  std::size_t size = std::min(kSumBlock, weights.size());
  for (;;) {
    const double after = sum + block_sum(weights.subspan(begin, size));
    if (after > target || begin + size == weights.size()) break;
    sum = after;
    begin += size;
    size = std::min(kSumBlock, weights.size() - begin);
  }
  std::size_t last = begin;  // stands when the block's own order of addition is a rounding error short of the target
  for (std::size_t i = begin; i < begin + size && sum <= target; ++i) {
    if (weights[i] == 0.0) continue;
    last = i;
    sum += weights[i];
  }
  return last;
}

}  // namespace

Sampler::Sampler(Params params, std::uint32_t vocab_size)
    : params_(std::move(params)),
      vocab_size_(vocab_size),
      penalises_(params_.repetition_penalty != 1.0F || params_.presence_penalty != 0.0F ||
                 params_.frequency_penalty != 0.0F),
      random_(params_.seed) {
  if (penalises_) {
    seen_.resize(vocab_size);
    generated_count_.resize(vocab_size);
  }
}

void Sampler::accept_prompt(std::span<const std::int32_t> tokens) {
  if (!penalises_) return;
  for (const std::int32_t token : tokens) {
    if (token < 0 || static_cast<std::uint32_t>(token) >= vocab_size_) continue;
    if (std::exchange(seen_[token], std::uint8_t{1}) == 0) seen_tokens_.push_back(token);
  }
}

void Sampler::accept(std::int32_t token) {
  if (!penalises_) return;
  ++generated_count_[token];
  if (std::exchange(seen_[token], std::uint8_t{1}) == 0) seen_tokens_.push_back(token);
}

void Sampler::edit_logits(std::span<float> logits) const {
  constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
  for (const auto& [token, bias] : params_.logit_bias) {
    if (token < 0 || static_cast<std::uint32_t>(token) >= vocab_size_) continue;
    float& x = logits[static_cast<std::size_t>(token)];
    if (x != kMinusInfinity) x = saturate(x + bias);
  }
  if (!penalises_) return;
  const float repetition = std::max(params_.repetition_penalty, kSmallestRepetitionPenalty);
  for (const std::int32_t token : seen_tokens_) {
    float& x = logits[static_cast<std::size_t>(token)];
    if (x == kMinusInfinity) continue;
    // Keskar et al. 2019 (CTRL), section 4.1, in the form that also penalises negative logits.
    x = saturate(x > 0 ? x / repetition : x * repetition);
    // OpenAI: mu[j] - c[j] * alpha_frequency - (c[j] > 0) * alpha_presence, c counts generated tokens only.
    if (const std::uint32_t count = generated_count_[token]; count > 0) {
      x = saturate(x - static_cast<float>(count) * params_.frequency_penalty);
      x = saturate(x - params_.presence_penalty);
    }
  }
}

Result<std::int32_t> Sampler::sample(std::span<const float> logits) {
  if (logits.size() != vocab_size_) {
    return make_error(ErrorCode::kInternal, "logits: expected " + std::to_string(vocab_size_) + " numbers, found " +
                                                std::to_string(logits.size()));
  }
  RowScan scan = scan_row(logits);
  if (!is_usable(scan)) return check_logits(logits).error();
  if (edits_logits()) {
    edited_.assign(logits.begin(), logits.end());
    edit_logits(edited_);
    logits = edited_;
    scan = scan_row(logits);
  }
  const std::int32_t token =
      params_.temperature < kGreedyBelow ? first_of(logits, scan.largest) : draw(logits, scan.largest);
  accept(token);
  return token;
}

std::int32_t Sampler::draw(std::span<const float> logits, float largest) {
  const double inverse_temperature = 1.0 / static_cast<double>(params_.temperature);

  // Top-k. From here on `survivors` are the logits in order of ids; without top-k their index is the id.
  bool truncated = params_.top_k > 0 && params_.top_k < logits.size();
  std::span<const float> survivors = logits;
  if (truncated) {
    select_best(logits, params_.top_k, ranked_);
    std::sort(ranked_.begin(), ranked_.end(), by_token);
    tokens_.clear();
    kept_.clear();
    for (const Candidate& candidate : ranked_) {
      tokens_.push_back(candidate.token);
      kept_.push_back(candidate.logit);
    }
    survivors = kept_;
  }
  weights_.resize(survivors.size());
  weigh_row(survivors, largest, inverse_temperature, weights_.data());

  // Top-p: the shortest prefix of the ranking that holds top_p of the weight, the token that crosses it included.
  if (params_.top_p < 1.0F) {
    const NucleusEnd end =
        nucleus_.end(survivors, weights_, static_cast<double>(params_.top_p) * ordered_sum(weights_));
    if (!truncated) tokens_.resize(survivors.size());
    std::size_t n = 0;
    for (std::size_t i = 0; i < survivors.size(); ++i) {
      if (!end.holds(survivors[i], i)) continue;
      tokens_[n] = truncated ? tokens_[i] : static_cast<std::int32_t>(i);
      weights_[n++] = weights_[i];
    }
    tokens_.resize(n);
    weights_.resize(n);
    truncated = true;
  }

  // Min-p: relative to the most probable token, whose weight is exactly 1.
  if (params_.min_p > 0.0F) {
    const double bar = params_.min_p;
    for (double& w : weights_) {
      w = w < bar ? 0.0 : w;
    }
  }

  const double uniform = static_cast<double>(random_() >> 11) * 0x1p-53;
  const std::size_t i = pick(weights_, uniform * ordered_sum(weights_));
  return truncated ? tokens_[i] : static_cast<std::int32_t>(i);
}

}  // namespace llorch::sampling
