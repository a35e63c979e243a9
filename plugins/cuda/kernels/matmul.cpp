#include <algorithm>
#include <vector>

#include "common/base/failure.hpp"
#include "cuda/device/runtime.hpp"
#include "cuda/kernels/activation_layout.hpp"
#include "cuda/kernels/kernels.hpp"
#include "cuda/kernels/matmul_params.hpp"

namespace llorch::cuda {
namespace {

MatmulTarget target_of(const MatrixView& weights, const RowsView& y) {
  return {static_cast<const unsigned char*>(weights.data), y.data, y.stride, static_cast<std::int32_t>(weights.n_rows),
          static_cast<std::int32_t>(divide_up(weights.n_rows, row_unit(weights.type)))};
}

/// All but the targets, for matrices of this type and width.
MatmulParams params_of(const ActivationView& x, WeightType type, std::int64_t n_cols) {
  if (x.kind != activation_kind(type) || x.n_cols != n_cols) {
    common::fail(LLORCH_INTERNAL, "a product of matrices (type ", static_cast<int>(type), ", ", n_cols,
                 " columns) was given activations of kind ", static_cast<int>(x.kind), ", ", x.n_cols, " columns");
  }
  MatmulParams p{};
  const auto* data = static_cast<const unsigned char*>(x.data);
  p.x = data + factor_bytes(x.kind, x.capacity);
  p.factors = x.kind == ActivationKind::kF16 ? static_cast<const float*>(x.data) : nullptr;
  p.x_tile_bytes = activation_tile_bytes(x.kind, n_cols);
  p.tile_bytes = row_unit_bytes(type, n_cols);
  p.n_rows = static_cast<std::int32_t>(x.n_rows);
  p.n_x_tiles = static_cast<std::int32_t>(divide_up(x.n_rows, kActivationRows));
  p.n_units = static_cast<std::int32_t>(divide_up(n_cols, column_unit(type)));
  p.n_segments = segment_count(p.n_units, column_unit(type));
  return p;
}

void run(Stream& stream, WeightType type, const MatmulParams& p) {
  switch (type) {
    case WeightType::kF32:
      return matmul_f32(stream, p);
    case WeightType::kF16:
      return matmul_f16(stream, p);
    case WeightType::kBf16:
      return matmul_bf16(stream, p);
    case WeightType::kQ8_0:
      return matmul_q8_0(stream, p);
    case WeightType::kQ4_0:
      return matmul_q4_0(stream, p);
    case WeightType::kQ4_K:
      return matmul_q4_k(stream, p);
    case WeightType::kQ5_K:
      return matmul_q5_k(stream, p);
    case WeightType::kQ6_K:
      return matmul_q6_k(stream, p);
    case WeightType::kQ4_1:
      return matmul_q4_1(stream, p);
    case WeightType::kQ5_0:
      return matmul_q5_0(stream, p);
    case WeightType::kQ5_1:
      return matmul_q5_1(stream, p);
    case WeightType::kQ2_K:
      return matmul_q2_k(stream, p);
    case WeightType::kQ3_K:
      return matmul_q3_k(stream, p);
    case WeightType::kIq4Nl:
      return matmul_iq4_nl(stream, p);
    case WeightType::kIq4Xs:
      return matmul_iq4_xs(stream, p);
    default:
      common::fail(LLORCH_INTERNAL, "there is no product for weights of type ", static_cast<int>(type));
  }
}

const DeviceInfo& device_of(Stream& stream) {
  // Asked for once: it opens no device, but takes time.
  static const std::vector<DeviceInfo> devices = list_devices().devices;
  const auto found = std::find_if(devices.begin(), devices.end(),
                                  [&](const DeviceInfo& info) { return info.index == stream.device(); });
  if (found == devices.end()) common::fail(LLORCH_INTERNAL, "device ", stream.device(), " is not listed");
  return *found;
}

}  // namespace

std::uint64_t most_shared_bytes(Stream& stream) {
  return device_of(stream).shared_bytes;
}

std::uint64_t shared_bytes_of_two(Stream& stream) {
  constexpr std::uint64_t kTakenOfEachBlock = 1024;  // by CUDA, from compute capability 8.0 on
  const DeviceInfo& device = device_of(stream);
  return std::min(device.shared_bytes, device.shared_bytes_of_multiprocessor / 2 - kTakenOfEachBlock);
}

void matmul(Stream& stream, const ActivationView& x, std::initializer_list<Product> products, Store store) {
  if (x.n_rows == 0) return;
  const Product* all = products.begin();
  bool done[kMostProducts] = {};
  if (products.size() > kMostProducts) {
    common::fail(LLORCH_INTERNAL, "expected at most ", kMostProducts, " products at once, found ", products.size());
  }
  for (std::size_t first = 0; first < products.size(); ++first) {
    if (done[first]) continue;
    const WeightType type = all[first].weights.type;
    MatmulParams p = params_of(x, type, all[first].weights.n_cols);
    p.add = store == Store::kAdd;
    for (std::size_t i = first; i < products.size(); ++i) {
      if (done[i] || all[i].weights.type != type) continue;
      params_of(x, type, all[i].weights.n_cols);  // checks the width
      p.targets[p.n_targets++] = target_of(all[i].weights, all[i].y);
      done[i] = true;
    }
    run(stream, type, p);
  }
}

bool can_gate(const MatrixView& gate, const MatrixView& up) {
  return gate.type == up.type && gate.n_rows == up.n_rows && gate.n_cols == up.n_cols;
}

void matmul_gated(Stream& stream, const ActivationView& x, const MatrixView& gate, const MatrixView& up,
                  const RowsView& y) {
  if (x.n_rows == 0) return;
  if (!can_gate(gate, up)) common::fail(LLORCH_INTERNAL, "gate and up differ in type or shape");
  MatmulParams p = params_of(x, gate.type, gate.n_cols);
  p.gated = true;
  p.n_targets = 2;
  p.targets[0] = target_of(gate, y);
  p.targets[1] = target_of(up, y);
  run(stream, gate.type, p);
}

}  // namespace llorch::cuda
