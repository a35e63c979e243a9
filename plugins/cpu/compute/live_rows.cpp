#include "cpu/compute/live_rows.hpp"

#include <algorithm>

namespace llorch::cpu {

void keep_output_rows(LiveRows& rows, const Rows& x, const Rows& queries) {
  const std::vector<std::int64_t> was = common::keep_output_rows(rows);
  for (std::int64_t i = 0; i < rows.n; ++i) {
    const std::int64_t from = was[static_cast<std::size_t>(i)];
    if (from == i) continue;
    std::copy_n(x.row(from), x.n_cols, x.row(i));
    if (queries.data != nullptr) std::copy_n(queries.row(from), queries.n_cols, queries.row(i));
  }
}

}  // namespace llorch::cpu
