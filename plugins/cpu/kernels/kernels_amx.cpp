// The kernels for amx: those of avx512_vnni, with matrix tiles for the integer products of many rows. Only intrinsics
// and plain headers here: an inline function of the standard library compiled with these options could become the copy
// that the whole plugin uses.
#define LLORCH_CPU_ISA amx

// The vector type comes first; the kernels build on each other.
// clang-format off
#include "cpu/kernels/vec_avx512.hpp"
#include "cpu/kernels/math.hpp"
#include "cpu/kernels/rowwise.hpp"
#include "cpu/kernels/matmul.hpp"
#include "cpu/kernels/attention.hpp"
#include "cpu/kernels/quantize_scale.hpp"
#include "cpu/kernels/quant_avx512.hpp"
#include "cpu/kernels/quantize_rows.hpp"
#include "cpu/kernels/matmul_quant.hpp"
#include "cpu/kernels/matmul_quant_amx.hpp"
#include "cpu/kernels/matmul_any.hpp"
// clang-format on
#include "cpu/kernels/kernel_table.hpp"

namespace llorch::cpu {

const KernelTable& amx_kernels() {
  static constexpr KernelTable kTable = {
      .name = "amx",
      .tile_tokens = amx::kTileTokens,
      .quant_tile_tokens = amx::kQuantTile,
      .attention_rows = amx::kAttentionRows,
      .pack_activations = amx::pack_activations,
      .quantize_activations = amx::quantize_activations,
      .matmul = amx::matmul_any,
      .attend = amx::attend,
      .layer_norm = amx::layer_norm,
      .gelu_tanh = amx::gelu_tanh,
      .gelu_erf = amx::gelu_erf,
      .add = amx::add_rows,
      .exp = amx::exp_rows,
      .gather_row = amx::gather_row_any,
      .widen = amx::widen,
  };
  return kTable;
}

}  // namespace llorch::cpu
