#include "cpu/compute/live_rows.hpp"

#include <algorithm>
#include <utility>

namespace llorch::cpu {

void keep_output_rows(LiveRows& rows, const Rows& x, const Rows& queries) {
  std::vector<QueryRun> kept;
  std::int64_t n = 0;
  for (const QueryRun& run : rows.runs) {
    for (std::int64_t i = 0; i < run.n_rows; ++i) {
      const std::int64_t row = run.first_row + i;
      const std::uint32_t batch_row = rows.batch_row[static_cast<std::size_t>(row)];
      if (!std::binary_search(rows.outputs.begin(), rows.outputs.end(), batch_row)) continue;
      const std::int64_t n_visible = run.n_visible + i;
      const bool joins =
          !kept.empty() && kept.back().seq == run.seq && kept.back().n_visible + kept.back().n_rows == n_visible;
      if (joins) {
        ++kept.back().n_rows;
      } else {
        kept.push_back({.seq = run.seq, .first_row = n, .n_rows = 1, .n_visible = n_visible});
      }
      if (row != n) {
        std::copy_n(x.row(row), x.n_cols, x.row(n));
        if (queries.data != nullptr) std::copy_n(queries.row(row), queries.n_cols, queries.row(n));
      }
      rows.batch_row[static_cast<std::size_t>(n)] = batch_row;
      ++n;
    }
  }
  rows.n = n;
  rows.runs = std::move(kept);
}

}  // namespace llorch::cpu
