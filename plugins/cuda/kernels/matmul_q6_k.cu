#include "cuda/kernels/matmul_quant.cuh"

namespace llorch::cuda {

void matmul_q6_k(Stream& stream, const MatmulParams& params) {
  launch_product<QuantFamily<WeightType::kQ6_K>>(stream, "matmul_q6_k", params);
}

}  // namespace llorch::cuda
