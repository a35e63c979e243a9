#include "cuda/kernels/matmul_quant.cuh"

namespace llorch::cuda {

void matmul_q2_k(Stream& stream, const MatmulParams& params) {
  launch_product<QuantFamily<WeightType::kQ2_K>>(stream, "matmul_q2_k", params);
}

}  // namespace llorch::cuda
