// Checkpoint taps of a device: brings intermediate tensors to the host's callback where they are born.
#pragma once

#include <llorch/plugin_table.hpp>

#include <cstdint>
#include <vector>

#include "cuda/kernels/kernels.hpp"

namespace llorch::llama2_cuda {

/// What one context observes. Off, every question is one comparison; on, every tensor waits for the device.
class Taps {
 public:
  void set(const llorch_tap* tap, std::uint64_t supported) { tap_.set(tap, supported); }
  [[nodiscard]] bool active() const { return tap_.active(); }
  [[nodiscard]] bool wants(std::uint32_t id, std::int64_t layer) const {
    return tap_.wants(id, static_cast<std::int32_t>(layer));
  }

  /// Shows x if it is wanted; rows[i] is the batch row of x's row i. flags: LLORCH_TAP_*. CANCELLED when the observer
  /// says so.
  void show(cuda::Stream& stream, std::uint32_t id, std::int64_t layer, const cuda::RowsView& x,
            const std::uint32_t* rows, std::uint32_t flags = 0);
  /// The scores of rows first_row .. first_row + n_rows - 1 of an attention, n_columns cached rows.
  void show_scores(cuda::Stream& stream, const cuda::AttentionArgs& args, std::int64_t first_row, std::int64_t n_rows,
                   std::int64_t n_columns, const std::uint32_t* rows);

 private:
  abi::Tap tap_;
  std::vector<float> host_;
};

}  // namespace llorch::llama2_cuda
