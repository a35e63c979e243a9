// The kernels for scalar. Only intrinsics and plain headers here: an inline function of the standard library compiled
// with these options could become the copy that the whole plugin uses.
#define LLORCH_CPU_ISA scalar

// The vector type comes first; the kernels build on each other.
// clang-format off
#include "cpu/kernels/vec_scalar.hpp"
#include "cpu/kernels/math.hpp"
#include "cpu/kernels/rowwise.hpp"
#include "cpu/kernels/matmul.hpp"
#include "cpu/kernels/attention.hpp"
// clang-format on
#include "cpu/kernels/kernel_table.hpp"

namespace llorch::cpu {

const KernelTable& scalar_kernels() {
  static constexpr KernelTable kTable = {
      .name = "scalar",
      .tile_tokens = scalar::kTileTokens,
      .attention_rows = scalar::kAttentionRows,
      .pack_activations = scalar::pack_activations,
      .matmul = scalar::matmul,
      .attend = scalar::attend,
      .layer_norm = scalar::layer_norm,
      .gelu_tanh = scalar::gelu_tanh,
      .gelu_erf = scalar::gelu_erf,
      .add = scalar::add_rows,
      .exp = scalar::exp_rows,
      .gather_row = scalar::gather_row,
      .widen = scalar::widen,
  };
  return kTable;
}

}  // namespace llorch::cpu
