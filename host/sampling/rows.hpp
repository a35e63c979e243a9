// Loops over a whole row of logits, compiled for several instruction sets; every set gives the same bits.
#pragma once

#include <span>

namespace llorch::sampling {

/// What one pass over a row of logits tells.
struct RowScan {
  float largest = 0.0F;  ///< -inf for an empty row; unspecified when the row is not sound
  bool sound = false;    ///< neither NaN nor +inf among them
};

/// logits: (n). [any-thread]
[[nodiscard]] RowScan scan_row(std::span<const float> logits);

/// weights[i] = exp((logits[i] - largest) * inverse_temperature), exp_nonpositive() of numerics.hpp. logits: (n), none
/// above `largest`; weights: (n). [any-thread]
void weigh_row(std::span<const float> logits, double largest, double inverse_temperature, double* weights);

}  // namespace llorch::sampling
