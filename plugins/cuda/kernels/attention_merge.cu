// The chunks of few rows become heads: attention_tensor.cuh's merge, in its order, with everything that is not serial
// done beforehand by all threads.
//
// With M(c) the largest score of chunks first .. c, step c of the merge is
//   o = fma(o, e^(M(c-1) - M(c)), v(c) * e^(m(c) - M(c)))
// Maxima are exact in whatever order they are taken, so each thread finds M and both factors of a chunk of its own.
#include "cuda/device/launch.hpp"
#include "cuda/kernels/activation_store.cuh"
#include "cuda/kernels/attention_tensor.cuh"

namespace llorch::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / 32;
constexpr int kPieceChunks = kThreads;    // chunks whose factors are there at a time
constexpr int kSlots = 2 * kPieceChunks;  // chunks whose values are on their way or there
constexpr int kPartBytes = kKvParts * 4;
constexpr int kHeader = 4;  // floats in front of a chunk's values: m, l, nothing

struct ChunkFactors {
  float old_factor, new_factor;
  float l;  // the chunk's sum times new_factor
  float unused;
};
struct MergeShared {
  ChunkFactors factors[kPieceChunks];
  float largest[kWarps];
};
static_assert(sizeof(MergeShared) % 16 == 0);

std::size_t merge_shared_bytes(int n_chunks) {
  return sizeof(MergeShared) + static_cast<std::size_t>(n_chunks < kSlots ? n_chunks : kSlots) * kPartBytes;
}

/// The largest of this lane's and all lower lanes' values.
__device__ __forceinline__ float prefix_max(float v) {
  LLORCH_UNROLL
  for (int distance = 1; distance < 32; distance *= 2)
    v = max_(v, shuffle(v, lane_id() < distance ? lane_id() : lane_id() - distance));
  return v;
}

/// 32 components of a head as int8 codes, one of each lane; first: the column of lane 0. The last row and the last
/// head clear what products read beside: the scales of rows that pad the tile, the columns that fill the last block.
__device__ __forceinline__ void store_part(const AttentionParams& p, int row, int first, float component) {
  const auto n_rows = static_cast<int>(p.q.n_rows);
  const int padding = row + 1 == n_rows ? n_rows : static_cast<int>(kActivationRows);
  const int lane = lane_id();
  Four x;
  LLORCH_UNROLL
  for (int i = 0; i < kEach; ++i)
    x.v[i] = shuffle(component, lane % 8 * kEach + i);
  const Codes codes = quantize(x);
  if (lane < 8) store_codes(p.converted, row, padding, first + lane * kEach, codes);
  const int n_cols = p.n_heads * p.kv.head_dim;
  if (first + kKvParts < n_cols) return;
  const int padded = static_cast<int>(padded_columns(ActivationKind::kQ8, n_cols));
  for (int k = n_cols + lane * kEach; k < padded; k += 32 * kEach)
    store_codes(p.converted, row, padding, k, Codes{});
}

/// A block for each row, head and part of 32 components.
__global__ void __launch_bounds__(kThreads) merge_chunks(AttentionParams p) {
  wait_its_turn();
  auto& shared = *shared_memory<MergeShared>();
  auto* values = reinterpret_cast<float*>(shared_memory<unsigned char>() + sizeof(MergeShared));  // (slot, 32)
  const auto row = static_cast<int>(blockIdx.x);
  const auto head = static_cast<int>(blockIdx.y);
  const auto part = static_cast<int>(blockIdx.z);
  const auto thread = static_cast<int>(threadIdx.x);
  const int lane = lane_id();
  const VisibleRows seen = p.rows[row];
  const int first = seen.begin / kChunkRows;
  const int n = (seen.end - 1) / kChunkRows - first + 1;  // chunks, counted from the first that is seen
  const std::int64_t stride = chunk_floats(p.kv.head_dim);
  const float* chunks = p.scratch + ((std::int64_t{row} * p.n_heads + head) * p.n_chunks + first) * stride;

  const auto load_values = [&](int begin) {
    constexpr int kPieces = kPartBytes / 16;
    LLORCH_UNROLL_BY_8
    for (int i = thread; i < kPieceChunks * kPieces; i += kThreads) {
      const int c = begin + i / kPieces;
      if (c >= n) break;
      copy_async_16(values + c % kSlots * kKvParts + i % kPieces * 4,
                    chunks + c * stride + kHeader + part * kKvParts + i % kPieces * 4);
    }
    copy_async_commit();
  };
  // Of the chunk of this thread; behind the last one anything that changes no maximum of a chunk.
  const auto load_sums = [&](int begin) { return load_pair(chunks + smaller(begin + thread, n - 1) * stride); };
  load_values(0);
  load_values(kPieceChunks);
  const FloatPair start = load_pair(chunks);
  FloatPair sums = load_sums(0);

  float m = start.x;  // the largest of the pieces before
  float l = start.y;
  float o = 0.0f;
  LLORCH_NO_UNROLL
  for (int begin = 0; begin < n; begin += kPieceChunks) {
    const float of_warp = prefix_max(sums.x);
    if (lane == 31) shared.largest[warp_id()] = of_warp;
    block_sync();
    float before = m;
    LLORCH_UNROLL
    for (int w = 0; w < kWarps; ++w) {
      if (w < warp_id()) before = max_(before, shared.largest[w]);
      m = max_(m, shared.largest[w]);
    }
    const float largest = max_(before, of_warp);
    const float lower = shuffle(of_warp, lane == 0 ? 0 : lane - 1);
    const float old_largest = lane == 0 ? before : max_(before, lower);
    const float new_factor = exp_(sums.x - largest);
    shared.factors[thread] = {exp_(old_largest - largest), new_factor, sums.y * new_factor, 0.0f};
    if (begin + kPieceChunks < n) sums = load_sums(begin + kPieceChunks);
    copy_async_wait<1>();
    block_sync();
    if (warp_id() == 0) {
      const int count = smaller(kPieceChunks, n - begin);
      const float* v = values + begin % kSlots * kKvParts + lane;
      if (begin == 0) o = v[0];
      LLORCH_UNROLL_BY_8
      for (int c = begin == 0 ? 1 : 0; c < count; ++c) {
        const Words4 factors = load_words4(&shared.factors[c]);
        const float old_factor = float_of(factors.x);
        o = fma_(o, old_factor, v[c * kKvParts] * float_of(factors.y));
        l = fma_(l, old_factor, float_of(factors.z));
      }
    }
    if (begin + kPieceChunks >= n) break;
    block_sync();
    load_values(begin + kSlots);
  }
  if (warp_id() != 0) return;
  const float component = o * div_(1.0f, l);
  if (p.converted != nullptr) {
    store_part(p, row, head * p.kv.head_dim + part * kKvParts, component);
  } else if (const int d = part * kKvParts + lane; d < p.kv.head_dim) {
    p.out.data[row * p.out.stride + std::int64_t{head} * p.kv.head_dim + d] = component;
  }
}

}  // namespace

void merge_few(Stream& stream, const AttentionParams& p) {
  const Dim grid = {static_cast<unsigned>(p.q.n_rows), static_cast<unsigned>(p.n_heads),
                    static_cast<unsigned>(kv_padded(p.kv.head_dim) / kKvParts)};
  launch(stream, "merge_chunks", merge_chunks, grid, {kThreads}, merge_shared_bytes(p.n_chunks), p);
}

}  // namespace llorch::cuda
