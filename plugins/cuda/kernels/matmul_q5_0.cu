#include "cuda/kernels/matmul_quant.cuh"

namespace llorch::cuda {

void matmul_q5_0(Stream& stream, const MatmulParams& params) {
  launch_product<QuantFamily<WeightType::kQ5_0>>(stream, "matmul_q5_0", params);
}

}  // namespace llorch::cuda
