#include "cuda/kernels/matmul_quant.cuh"

namespace llorch::cuda {

void matmul_q3_k(Stream& stream, const MatmulParams& params) {
  launch_product<QuantFamily<WeightType::kQ3_K>>(stream, "matmul_q3_k", params);
}

}  // namespace llorch::cuda
