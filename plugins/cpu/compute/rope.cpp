#include "cpu/compute/rope.hpp"

namespace llorch::cpu {

void rotate_heads(Compute& compute, const Rows& x, std::int64_t head_dim, const Rows& cosines, const Rows& sines) {
  compute.each_row(x.n_rows, [&](std::int64_t i) {
    for (std::int64_t column = 0; column < x.n_cols; column += head_dim)
      compute.kernels().rope(x.row(i) + column, cosines.row(i), sines.row(i), cosines.n_cols);
  });
}

}  // namespace llorch::cpu
