// From the rows of a file to the layouts of device_matrix.hpp, on the host.
#pragma once

#include <cstdint>

#include "cuda/weights/device_matrix.hpp"

namespace llorch::cuda {

/// Whether matrices of this type have a layout on the device and kernels. [any-thread]
bool is_device_type(WeightType type);
/// "F32, F16, BF16, Q8_0, ...": for messages. [any-thread]
const char* device_type_names();

/// Packs one row unit: n_rows (1..row_unit(type)) rows of n_cols values, one after the other as they are stored in a
/// file, to `out` (row_unit_bytes(type, n_cols), aligned to 16 bytes), padding included. n_cols is a multiple of the
/// type's block. [any-thread] on disjoint outputs.
void repack_rows(WeightType type, const void* rows, std::int64_t n_rows, std::int64_t n_cols, void* out);

}  // namespace llorch::cuda
