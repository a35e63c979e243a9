// Queries and keys turned by their positions, keys and values into the cache: a warp for each head of each row.
#include "cuda/device/launch.hpp"
#include "cuda/kernels/kernels.hpp"
#include "cuda/kernels/kv_access.hpp"

namespace llorch::cuda {
namespace {

constexpr int kWarps = 4;

struct RotateParams {
  NewRows rows;
  KvView kv;
  std::int64_t layer;
  std::int32_t n_heads;  // of queries
};

__global__ void __launch_bounds__(kWarps * 32) rotate_and_store_rows(RotateParams p) {
  wait_its_turn();
  const auto row = static_cast<std::int64_t>(blockIdx.x);
  const int unit = static_cast<int>(blockIdx.y) * kWarps + warp_id();
  const int head_dim = p.kv.head_dim;
  const int n_kv = p.kv.n_heads;
  if (unit >= p.n_heads + 2 * n_kv) return;
  const bool query = unit < p.n_heads;
  const bool key = !query && unit < p.n_heads + n_kv;
  const int head = query ? unit : key ? unit - p.n_heads : unit - p.n_heads - n_kv;
  const RowsView& from = query ? p.rows.q : key ? p.rows.k : p.rows.v;
  float* x = from.data + row * from.stride + std::int64_t{head} * head_dim;
  KvHead to{};
  int slot = 0;
  if (!query) {
    const std::uint32_t place = p.rows.places[row];
    to = kv_head(p.kv, key, p.layer, place / kKvRows, head);
    slot = static_cast<int>(place % kKvRows);
  }
  for (int part = 0; part * kKvParts < head_dim; ++part) {
    const int d = part * kKvParts + lane_id();
    float v = d < head_dim ? x[d] : 0.0f;
    const float partner = shuffle_xor(v, 1);
    if ((query || key) && d < p.rows.rotated) {
      const std::int64_t at = row * p.rows.rotated + d;
      v = fma_(partner, p.rows.sines[at], v * p.rows.cosines[at]);
      x[d] = v;
    }
    if (!query) store_part(to, slot, part, v);
  }
}

}  // namespace

void rotate_and_store(Stream& stream, const NewRows& rows, const KvView& kv, std::int64_t layer) {
  if (rows.q.n_rows == 0) return;
  const auto n_heads = static_cast<std::int32_t>(rows.q.n_cols / kv.head_dim);
  const RotateParams p{rows, kv, layer, n_heads};
  const auto units = static_cast<unsigned>(n_heads + 2 * kv.n_heads);
  launch(stream, "rotate_and_store", rotate_and_store_rows,
         {static_cast<unsigned>(rows.q.n_rows), (units + kWarps - 1) / kWarps}, {kWarps * 32}, 0, p);
}

}  // namespace llorch::cuda
