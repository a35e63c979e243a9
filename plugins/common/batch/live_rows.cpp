#include "common/batch/live_rows.hpp"

#include <algorithm>
#include <utility>

namespace llorch::common {

std::vector<std::int64_t> keep_output_rows(LiveRows& rows) {
  std::vector<std::int64_t> was;
  std::vector<QueryRun> kept;
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
        const auto first_row = static_cast<std::int64_t>(was.size());
        kept.push_back({.seq = run.seq, .first_row = first_row, .n_rows = 1, .n_visible = n_visible});
      }
      rows.batch_row[was.size()] = batch_row;
      was.push_back(row);
    }
  }
  rows.n = static_cast<std::int64_t>(was.size());
  rows.runs = std::move(kept);
  return was;
}

}  // namespace llorch::common
