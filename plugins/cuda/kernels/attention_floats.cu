// Attention where keys or values are f32: fma in f32, a block of threads for each row and head, however many rows. Made
// to be exact, not fast: chunks of 64 rows as in attention_tensor.cuh, every sum in one chain or tree.
#include "cuda/device/launch.hpp"
#include "cuda/kernels/attention_tensor.cuh"

namespace llorch::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kEach = static_cast<int>(kMostHeadDim) / kThreads;  // components of a thread

struct FloatShared {
  float q[kMostHeadDim];
  float scores[kChunkRows];
  float l;
};

/// (q . k) * scale, one chain over the components.
__device__ __forceinline__ float float_score(const AttentionParams& p, const float* q, std::uint32_t table, int key,
                                             int kv_head_index) {
  const KvHead head = block_of(p, true, table, key / kKvRows, kv_head_index);
  float sum = 0.0f;
  for (int d = 0; d < p.kv.head_dim; ++d)
    sum = fma_(q[d], fetch_component(head, key % kKvRows, d), sum);
  return sum * p.scale;
}

__global__ void __launch_bounds__(kThreads) attend_row(AttentionParams p) {
  wait_its_turn();
  auto& shared = *shared_memory<FloatShared>();
  const auto row = static_cast<std::int64_t>(blockIdx.x);
  const int head = static_cast<int>(blockIdx.y);
  const int kv_head_index = head / p.shared;
  const VisibleRows seen = p.rows[row];
  const int thread = static_cast<int>(threadIdx.x);
  const int head_dim = p.kv.head_dim;
  for (int d = thread; d < head_dim; d += kThreads)
    shared.q[d] = p.q.data[row * p.q.stride + std::int64_t{head} * head_dim + d];
  float m = 0.0f;
  float l = 0.0f;
  float o[kEach] = {};
  const int first = seen.begin / kChunkRows;
  const int last = (seen.end - 1) / kChunkRows;
  LLORCH_NO_UNROLL
  for (int chunk = first; chunk <= last; ++chunk) {
    block_sync();  // q is there; the last chunk's scores are read
    if (thread < kChunkRows) {
      const int key = chunk * kChunkRows + thread;
      const bool visible = key >= seen.begin && key < seen.end;
      shared.scores[thread] = visible ? float_score(p, shared.q, seen.table, key, kv_head_index) : minus_infinity();
    }
    block_sync();
    float chunk_m = minus_infinity();
    for (int i = 0; i < kChunkRows; ++i)
      chunk_m = max_(chunk_m, shared.scores[i]);
    block_sync();
    if (thread < kChunkRows) {
      const float score = shared.scores[thread];
      shared.scores[thread] = score == minus_infinity() ? 0.0f : exp_(score - chunk_m);
    }
    block_sync();
    if (thread < 32) {
      float sum = shared.scores[thread] + shared.scores[thread + 32];
      LLORCH_UNROLL
      for (int distance = 16; distance > 0; distance /= 2)
        sum = sum + shuffle_xor(sum, distance);
      if (thread == 0) shared.l = sum;
    }
    block_sync();
    const int begin = larger(seen.begin, chunk * kChunkRows);
    const int end = smaller(seen.end, (chunk + 1) * kChunkRows);
    Merge factors = {0.0f, 1.0f};
    if (chunk == first) {
      m = chunk_m;
      l = shared.l;
    } else {
      factors = merge_chunk(chunk_m, shared.l, m, l);
    }
    LLORCH_UNROLL
    for (int i = 0; i < kEach; ++i) {
      const int d = i * kThreads + thread;
      if (d >= head_dim) break;
      float sum = 0.0f;
      for (int key = begin; key < end; ++key) {
        const KvHead values = block_of(p, false, seen.table, key / kKvRows, kv_head_index);
        sum = fma_(fetch_component(values, key % kKvRows, d), shared.scores[key % kChunkRows], sum);
      }
      o[i] = chunk == first ? sum : merge_value(factors, o[i], sum);
    }
  }
  const float inverse = div_(1.0f, l);
  LLORCH_UNROLL
  for (int i = 0; i < kEach; ++i) {
    const int d = i * kThreads + thread;
    if (d < head_dim) p.out.data[row * p.out.stride + std::int64_t{head} * head_dim + d] = o[i] * inverse;
  }
}

/// A thread for each cached row (x), head (y) and row (z).
__global__ void __launch_bounds__(kThreads) score_row(ScoresParams s) {
  wait_its_turn();
  const AttentionParams& p = s.attention;
  const int key = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (key >= s.n_columns) return;
  const int head = static_cast<int>(blockIdx.y);
  const std::int64_t row = s.first_row + blockIdx.z;
  const VisibleRows seen = p.rows[row];
  const bool visible = key >= seen.begin && key < seen.end;
  const float* q = p.q.data + row * p.q.stride + std::int64_t{head} * p.kv.head_dim;
  s.scores[(head * s.n_rows + blockIdx.z) * s.n_columns + key] =
      visible ? float_score(p, q, seen.table, key, head / p.shared) : minus_infinity();
}

}  // namespace

void attend_floats(Stream& stream, const AttentionParams& p) {
  launch(stream, "attend_row", attend_row, {static_cast<unsigned>(p.q.n_rows), static_cast<unsigned>(p.n_heads)},
         {kThreads}, sizeof(FloatShared), p);
}

void score_floats(Stream& stream, const ScoresParams& s) {
  const Dim grid = {static_cast<unsigned>((s.n_columns + kThreads - 1) / kThreads),
                    static_cast<unsigned>(s.attention.n_heads), static_cast<unsigned>(s.n_rows)};
  launch(stream, "attention_scores", score_row, grid, {kThreads}, 0, s);
}

}  // namespace llorch::cuda
