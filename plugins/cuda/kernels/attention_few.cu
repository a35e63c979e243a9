// Kernels for few rows over every pair of cache types, and the merge of their chunks.
#include "cuda/kernels/attention_few.cuh"

#include "cuda/kernels/attention_dispatch.hpp"
#include "cuda/kernels/matmul_params.hpp"

namespace llorch::cuda {
namespace {

constexpr int kMergeThreads = 128;

/// A block for each row and head.
__global__ void __launch_bounds__(kMergeThreads) merge_chunks(AttentionParams p) {
  wait_its_turn();
  const auto row = static_cast<std::int64_t>(blockIdx.x);
  const auto head = static_cast<std::int64_t>(blockIdx.y);
  const VisibleRows seen = p.rows[row];
  const int stride = chunk_floats(p.kv.head_dim);
  const int first = seen.begin / kChunkRows;
  const int last = (seen.end - 1) / kChunkRows;
  const float* chunks = p.scratch + (row * p.n_heads + head) * p.n_chunks * stride;
  float* out = p.out.data + row * p.out.stride + head * p.kv.head_dim;
  for (int d = static_cast<int>(threadIdx.x); d < p.kv.head_dim; d += kMergeThreads) {
    const float* chunk = chunks + std::int64_t{first} * stride;
    float m = chunk[0];
    float l = chunk[1];
    float o = chunk[4 + d];
    LLORCH_UNROLL_BY_8
    for (int c = first + 1; c <= last; ++c) {
      chunk += stride;
      const Merge factors = merge_chunk(chunk[0], chunk[1], m, l);
      o = merge_value(factors, o, chunk[4 + d]);
    }
    out[d] = o * div_(1.0f, l);
  }
}

}  // namespace

void attend_few(Stream& stream, const AttentionParams& p) {
  const Dim grid = {static_cast<unsigned>(p.n_chunks), static_cast<unsigned>(p.kv.n_heads * p.groups),
                    static_cast<unsigned>(p.q.n_rows)};
  const bool staged = few_shared_bytes(p.kv, true) <= most_shared_bytes(stream);
  with_cache_types(p, [&]<KvType kKeys, KvType kValues, int kParts>() {
    launch(stream, "attend_chunk",
           staged ? attend_chunk<kKeys, kValues, kParts, true> : attend_chunk<kKeys, kValues, kParts, false>, grid,
           {kFewWarps * 32}, few_shared_bytes(p.kv, staged), p);
  });
  launch(stream, "merge_chunks", merge_chunks, {static_cast<unsigned>(p.q.n_rows), static_cast<unsigned>(p.n_heads)},
         {kMergeThreads}, 0, p);
}

}  // namespace llorch::cuda
