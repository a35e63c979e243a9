// The kernels for avx512. Only intrinsics and plain headers here: an inline function of the standard library compiled
// with these options could become the copy that the whole plugin uses.
#define LLORCH_CPU_ISA avx512

// The vector type comes first; the kernels build on each other.
// clang-format off
#include "cpu/kernels/vec_avx512.hpp"
#include "cpu/kernels/math.hpp"
#include "cpu/kernels/rowwise.hpp"
#include "cpu/kernels/matmul.hpp"
#include "cpu/kernels/attention.hpp"
#include "cpu/kernels/kv_store.hpp"
#include "cpu/kernels/quantize_scale.hpp"
#include "cpu/kernels/quant_avx512.hpp"
#include "cpu/kernels/quantize_rows.hpp"
#include "cpu/kernels/matmul_quant.hpp"
#include "cpu/kernels/matmul_quant_many.hpp"
#include "cpu/kernels/matmul_any.hpp"
// clang-format on
#include "cpu/kernels/kernel_table.hpp"

namespace llorch::cpu {

const KernelTable& avx512_kernels() {
  static constexpr KernelTable kTable = {
      .name = "avx512",
      .tile_tokens = avx512::kTileTokens,
      .quant_tile_tokens = avx512::kQuantTile,
      .pack_activations = avx512::pack_activations,
      .quantize_activations = avx512::quantize_activations,
      .matmul = avx512::matmul_any,
      .attend = avx512::attend,
      .layer_norm = avx512::layer_norm,
      .rms_norm = avx512::rms_norm,
      .rope = avx512::rope,
      .silu_gate = avx512::silu_gate,
      .gelu_tanh = avx512::gelu_tanh,
      .gelu_erf = avx512::gelu_erf,
      .add = avx512::add_rows,
      .exp = avx512::exp_rows,
      .gather_row = avx512::gather_row_any,
      .widen = avx512::widen,
      .narrow = avx512::narrow,
      .quantize_part = avx512::quantize_part,
  };
  return kTable;
}

}  // namespace llorch::cpu
