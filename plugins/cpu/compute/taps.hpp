// Checkpoint taps: hands intermediate tensors to the host's callback where they are born.
#pragma once

#include <llorch/plugin_table.hpp>

#include <cstdint>
#include <vector>

#include "cpu/compute/compute.hpp"

namespace llorch::cpu {

/// What one context observes. Off, every question is one comparison.
class Taps {
 public:
  void set(const llorch_tap* tap, std::uint64_t supported) { tap_.set(tap, supported); }
  [[nodiscard]] bool active() const { return tap_.active(); }
  [[nodiscard]] bool wants(std::uint32_t id, std::int64_t layer) const {
    return tap_.wants(id, static_cast<std::int32_t>(layer));
  }

  /// Shows x (n_rows, n_cols) if it is wanted; rows[i] is the batch row of x's row i. CANCELLED when the observer says
  /// so.
  void show(std::uint32_t id, std::int64_t layer, const Rows& x, const std::uint32_t* rows);
  /// Shows a contiguous (n_heads, n_rows, n_columns) tensor.
  void show_scores(std::int64_t layer, const float* scores, std::int64_t n_heads, std::int64_t n_rows,
                   std::int64_t n_columns, const std::uint32_t* rows) const;

 private:
  abi::Tap tap_;
  std::vector<float> contiguous_;
};

}  // namespace llorch::cpu
