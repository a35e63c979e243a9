// The kernels for avx512_vnni: those of avx512, with VNNI for the integer products. Only intrinsics and plain headers
// here: an inline function of the standard library compiled with these options could become the copy that the whole
// plugin uses.
#define LLORCH_CPU_ISA avx512_vnni

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

const KernelTable& avx512_vnni_kernels() {
  static constexpr KernelTable kTable = {
      .name = "avx512_vnni",
      .tile_tokens = avx512_vnni::kTileTokens,
      .quant_tile_tokens = avx512_vnni::kQuantTile,
      .pack_activations = avx512_vnni::pack_activations,
      .quantize_activations = avx512_vnni::quantize_activations,
      .matmul = avx512_vnni::matmul_any,
      .attend = avx512_vnni::attend,
      .layer_norm = avx512_vnni::layer_norm,
      .rms_norm = avx512_vnni::rms_norm,
      .rope = avx512_vnni::rope,
      .silu_gate = avx512_vnni::silu_gate,
      .gelu_tanh = avx512_vnni::gelu_tanh,
      .gelu_erf = avx512_vnni::gelu_erf,
      .add = avx512_vnni::add_rows,
      .exp = avx512_vnni::exp_rows,
      .gather_row = avx512_vnni::gather_row_any,
      .widen = avx512_vnni::widen,
      .narrow = avx512_vnni::narrow,
      .quantize_part = avx512_vnni::quantize_part,
  };
  return kTable;
}

}  // namespace llorch::cpu
