// Rows moved, added and gated, one element after the other.
#include "cuda/device/launch.hpp"
#include "cuda/kernels/device_code.hpp"
#include "cuda/kernels/kernels.hpp"

namespace llorch::cuda {
namespace {

constexpr int kThreads = 256;

struct Silu {
  __device__ float operator()(float gate, float up) const { return silu(gate) * up; }
};
struct Add {
  __device__ float operator()(float x, float y) const { return x + y; }
};

/// x = f(x, y), element by element.
template <class F>
__global__ void __launch_bounds__(kThreads) combine(RowsView x, RowsView y) {
  wait_its_turn();
  const auto k = static_cast<std::int64_t>(blockIdx.y) * kThreads + threadIdx.x;
  if (k >= x.n_cols) return;
  float* at = x.data + blockIdx.x * x.stride + k;
  *at = F{}(*at, y.data[blockIdx.x * y.stride + k]);
}

__global__ void __launch_bounds__(kThreads) take_rows(RowsView x, const std::int32_t* index, RowsView out) {
  wait_its_turn();
  const auto k = static_cast<std::int64_t>(blockIdx.y) * kThreads + threadIdx.x;
  if (k >= out.n_cols) return;
  out.data[blockIdx.x * out.stride + k] = x.data[std::int64_t{index[blockIdx.x]} * x.stride + k];
}

Dim grid_of(const RowsView& x) {
  return {static_cast<unsigned>(x.n_rows), static_cast<unsigned>((x.n_cols + kThreads - 1) / kThreads)};
}

}  // namespace

void silu_gate(Stream& stream, const RowsView& gate, const RowsView& up) {
  if (gate.n_rows > 0) launch(stream, "silu_gate", combine<Silu>, grid_of(gate), {kThreads}, 0, gate, up);
}

void add_rows(Stream& stream, const RowsView& x, const RowsView& y) {
  if (x.n_rows > 0) launch(stream, "add_rows", combine<Add>, grid_of(x), {kThreads}, 0, x, y);
}

void gather_rows(Stream& stream, const RowsView& x, const std::int32_t* index, const RowsView& out) {
  if (out.n_rows > 0) launch(stream, "gather_rows", take_rows, grid_of(out), {kThreads}, 0, x, index, out);
}

}  // namespace llorch::cuda
