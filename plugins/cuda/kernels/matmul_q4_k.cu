#include "cuda/kernels/matmul_quant.cuh"

namespace llorch::cuda {

void matmul_q4_k(Stream& stream, const MatmulParams& params) {
  launch_product<QuantFamily<WeightType::kQ4_K>>(stream, "matmul_q4_k", params);
}

}  // namespace llorch::cuda
