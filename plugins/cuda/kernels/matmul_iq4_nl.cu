#include "cuda/kernels/matmul_quant.cuh"

namespace llorch::cuda {

void matmul_iq4_nl(Stream& stream, const MatmulParams& params) {
  launch_product<QuantFamily<WeightType::kIq4Nl>>(stream, "matmul_iq4_nl", params);
}

}  // namespace llorch::cuda
