// The sampler written down the plain way, by sorting everything with the standard library's mathematics: what the fast
// one must agree with.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <vector>

#include "sampling/params.hpp"

namespace llorch::sampling::reference {

struct Probability {
  std::int32_t token;
  double p;
};

/// Logits after bias and penalties, by the formulas of docs/sampling.md.
inline std::vector<double> edit(const std::vector<float>& logits, const Params& params,
                                const std::vector<std::int32_t>& prompt, const std::vector<std::int32_t>& generated) {
  std::vector<double> out(logits.begin(), logits.end());
  for (const auto& [token, bias] : params.logit_bias) {
    out[token] += bias;
  }
  for (std::size_t t = 0; t < out.size(); ++t) {
    const auto id = static_cast<std::int32_t>(t);
    const auto count = std::count(generated.begin(), generated.end(), id);
    if (count > 0 || std::count(prompt.begin(), prompt.end(), id) > 0) {
      out[t] = out[t] > 0 ? out[t] / params.repetition_penalty : out[t] * params.repetition_penalty;
    }
    out[t] -= static_cast<double>(count) * params.frequency_penalty;
    out[t] -= count > 0 ? params.presence_penalty : 0.0F;
  }
  return out;
}

/// What survives top-k, temperature, top-p and min-p, with its probability, in order of ids.
inline std::vector<Probability> distribution(const std::vector<double>& logits, const Params& params) {
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return logits[a] > logits[b]; });
  if (params.top_k > 0 && params.top_k < order.size()) order.resize(params.top_k);

  const double max = logits[order.front()];
  std::vector<Probability> all;
  double sum = 0;
  for (const auto token : order) {
    all.push_back({token, std::exp((logits[token] - max) / params.temperature)});
    sum += all.back().p;
  }
  std::vector<Probability> kept;
  double cumulative = 0;
  for (const auto& c : all) {
    if (params.top_p < 1.0F && !kept.empty() && cumulative >= params.top_p * sum) break;
    kept.push_back(c);
    cumulative += c.p;
  }
  std::erase_if(kept, [&](const Probability& c) { return c.p < static_cast<double>(params.min_p) || c.p == 0; });
  double total = 0;
  for (const auto& c : kept) {
    total += c.p;
  }
  for (auto& c : kept) {
    c.p /= total;
  }
  std::sort(kept.begin(), kept.end(), [](const auto& a, const auto& b) { return a.token < b.token; });
  return kept;
}

/// The token whose interval of the cumulative distribution holds `uniform`.
inline std::int32_t pick(const std::vector<Probability>& distribution, double uniform) {
  double cumulative = 0;
  for (const auto& c : distribution) {
    cumulative += c.p;
    if (uniform < cumulative) return c.token;
  }
  return distribution.back().token;
}

}  // namespace llorch::sampling::reference
