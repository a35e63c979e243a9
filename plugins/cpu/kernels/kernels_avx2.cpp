// The kernels for avx2. Only intrinsics and plain headers here: an inline function of the standard library compiled
// with these options could become the copy that the whole plugin uses.
#define LLORCH_CPU_ISA avx2

// The vector type comes first; the kernels build on each other.
// clang-format off
#include "cpu/kernels/vec_avx2.hpp"
#include "cpu/kernels/math.hpp"
#include "cpu/kernels/rowwise.hpp"
#include "cpu/kernels/matmul.hpp"
#include "cpu/kernels/attention.hpp"
#include "cpu/kernels/kv_store.hpp"
#include "cpu/kernels/quantize_scale.hpp"
#include "cpu/kernels/quant_avx2.hpp"
#include "cpu/kernels/quantize_rows.hpp"
#include "cpu/kernels/matmul_quant.hpp"
#include "cpu/kernels/matmul_quant_many.hpp"
#include "cpu/kernels/matmul_any.hpp"
// clang-format on
#include "cpu/kernels/kernel_table.hpp"

namespace llorch::cpu {

const KernelTable& avx2_kernels() {
  static constexpr KernelTable kTable = {
      .name = "avx2",
      .tile_tokens = avx2::kTileTokens,
      .quant_tile_tokens = avx2::kQuantTile,
      .pack_activations = avx2::pack_activations,
      .quantize_activations = avx2::quantize_activations,
      .matmul = avx2::matmul_any,
      .attend = avx2::attend,
      .layer_norm = avx2::layer_norm,
      .rms_norm = avx2::rms_norm,
      .rope = avx2::rope,
      .silu_gate = avx2::silu_gate,
      .gelu_tanh = avx2::gelu_tanh,
      .gelu_erf = avx2::gelu_erf,
      .add = avx2::add_rows,
      .exp = avx2::exp_rows,
      .gather_row = avx2::gather_row_any,
      .widen = avx2::widen,
      .narrow = avx2::narrow,
      .quantize_part = avx2::quantize_part,
  };
  return kTable;
}

}  // namespace llorch::cpu
