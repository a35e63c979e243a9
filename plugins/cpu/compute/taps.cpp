#include "cpu/compute/taps.hpp"

#include <algorithm>

namespace llorch::cpu {

void Taps::show(std::uint32_t id, std::int64_t layer, const Rows& x, const std::uint32_t* rows) {
  if (!wants(id, layer)) return;
  contiguous_.resize(static_cast<std::size_t>(x.n_rows * x.n_cols));
  for (std::int64_t i = 0; i < x.n_rows; ++i)
    std::copy_n(x.row(i), x.n_cols, contiguous_.begin() + i * x.n_cols);
  tap_.show(id, static_cast<std::int32_t>(layer), contiguous_.data(),
            {static_cast<std::uint64_t>(x.n_rows), static_cast<std::uint64_t>(x.n_cols)}, rows);
}

void Taps::show_scores(std::int64_t layer, const float* scores, std::int64_t n_heads, std::int64_t n_rows,
                       std::int64_t n_columns, const std::uint32_t* rows) const {
  tap_.show(
      LLORCH_TAP_SCORES, static_cast<std::int32_t>(layer), scores,
      {static_cast<std::uint64_t>(n_heads), static_cast<std::uint64_t>(n_rows), static_cast<std::uint64_t>(n_columns)},
      rows);
}

}  // namespace llorch::cpu
