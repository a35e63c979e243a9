#include "sampling/selection.hpp"

#include <algorithm>

namespace llorch::sampling {

void select_best(std::span<const float> logits, std::size_t k, std::vector<Candidate>& out) {
  out.clear();
  const std::size_t n = logits.size();
  k = std::min(k, n);
  // A buffer of twice the wanted size: when it is full, the better half stays and its worst member becomes the bar that
  // all later logits must clear. Later ids lose ties, so "greater" suffices. Nearly every logit fails that one compare.
  const std::size_t buffer_size = std::min(n, std::max<std::size_t>(2 * k, k + 64));
  out.resize(buffer_size);
  std::size_t used = 0;
  const auto keep_best = [&] {
    std::nth_element(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(k - 1),
                     out.begin() + static_cast<std::ptrdiff_t>(used), ranks_before);
    used = k;
  };
  std::size_t i = 0;
  for (; i < buffer_size; ++i) {
    out[used++] = {static_cast<std::int32_t>(i), logits[i]};
  }
  if (i < n) {
    keep_best();
    float bar = out[k - 1].logit;
    for (; i < n; ++i) {
      if (logits[i] > bar) {
        out[used++] = {static_cast<std::int32_t>(i), logits[i]};
        if (used == buffer_size) {
          keep_best();
          bar = out[k - 1].logit;
        }
      }
    }
  }
  if (used > k) keep_best();
  out.resize(used);
}

}  // namespace llorch::sampling
