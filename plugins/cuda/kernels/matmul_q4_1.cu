#include "cuda/kernels/matmul_quant.cuh"

namespace llorch::cuda {

void matmul_q4_1(Stream& stream, const MatmulParams& params) {
  launch_product<QuantFamily<WeightType::kQ4_1>>(stream, "matmul_q4_1", params);
}

}  // namespace llorch::cuda
