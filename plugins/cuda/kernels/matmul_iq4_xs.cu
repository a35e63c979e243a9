#include "cuda/kernels/matmul_quant.cuh"

namespace llorch::cuda {

void matmul_iq4_xs(Stream& stream, const MatmulParams& params) {
  launch_product<QuantFamily<WeightType::kIq4Xs>>(stream, "matmul_iq4_xs", params);
}

}  // namespace llorch::cuda
