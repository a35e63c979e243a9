#include "cuda/kernels/matmul_quant.cuh"

namespace llorch::cuda {

void matmul_q5_k(Stream& stream, const MatmulParams& params) {
  launch_product<QuantFamily<WeightType::kQ5_K>>(stream, "matmul_q5_k", params);
}

}  // namespace llorch::cuda
