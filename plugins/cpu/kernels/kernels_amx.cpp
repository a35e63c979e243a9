// The kernels for amx: those of avx512_vnni, with matrix tiles for the integer products of many rows. Only intrinsics
// and plain headers here: an inline function of the standard library compiled with these options could become the copy
// that the whole plugin uses.
#define LLORCH_CPU_ISA amx
#define LLORCH_CPU_MATRIX_TILES

// The vector type comes first; the kernels build on each other.
// clang-format off
#include "cpu/kernels/vec_avx512.hpp"
#include "cpu/kernels/quantize_scale.hpp"
#include "cpu/kernels/quant_avx512.hpp"
#include "cpu/kernels/quantize_rows.hpp"
#include "cpu/kernels/matmul_quant.hpp"
#include "cpu/kernels/matmul_quant_amx.hpp"
// clang-format on
#include "cpu/kernels/kernel_table.hpp"

namespace llorch::cpu {
namespace {

void matmul(const MatmulArgs& args, std::int64_t group_begin, std::int64_t group_end) {
  if (is_quantized(args.weights.type) && args.n_tokens > amx::kQuantTileRows) {
    amx::with_quant_type(args.weights.type,
                         [&]<WeightType kType>() { amx::quant_many<kType>(args, group_begin, group_end); });
  } else {
    avx512_vnni_kernels().matmul(args, group_begin, group_end);
  }
}

}  // namespace

const KernelTable& amx_kernels() {
  static const KernelTable table = [] {
    KernelTable kernels = avx512_vnni_kernels();
    kernels.name = "amx";
    kernels.quant_tile_tokens = amx::kQuantTile;
    kernels.quantize_activations = amx::quantize_activations;
    kernels.matmul = matmul;
    return kernels;
  }();
  return table;
}

}  // namespace llorch::cpu
