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
#include "cpu/kernels/kv_store.hpp"
#include "cpu/kernels/quantize_scale.hpp"
#include "cpu/kernels/quant_scalar.hpp"
#include "cpu/kernels/quantize_rows.hpp"
#include "cpu/kernels/matmul_quant.hpp"
#include "cpu/kernels/matmul_quant_many.hpp"
#include "cpu/kernels/matmul_any.hpp"
// clang-format on
#include "cpu/kernels/kernel_table.hpp"

namespace llorch::cpu {

const KernelTable& scalar_kernels() {
  static constexpr KernelTable kTable = {
      .name = "scalar",
      .tile_tokens = scalar::kTileTokens,
      .quant_tile_tokens = scalar::kQuantTile,
      .pack_activations = scalar::pack_activations,
      .quantize_activations = scalar::quantize_activations,
      .matmul = scalar::matmul_any,
      .attend = scalar::attend,
      .layer_norm = scalar::layer_norm,
      .rms_norm = scalar::rms_norm,
      .rope = scalar::rope,
      .silu_gate = scalar::silu_gate,
      .gelu_tanh = scalar::gelu_tanh,
      .gelu_erf = scalar::gelu_erf,
      .add = scalar::add_rows,
      .exp = scalar::exp_rows,
      .gather_row = scalar::gather_row_any,
      .widen = scalar::widen,
      .narrow = scalar::narrow,
      .quantize_part = scalar::quantize_part,
  };
  return kTable;
}

}  // namespace llorch::cpu
