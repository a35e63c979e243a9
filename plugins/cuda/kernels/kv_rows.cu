// What happens to rows that are in the cache already: copied, turned, saved, loaded.
#include "common/kv/kv_types.hpp"
#include "cuda/device/launch.hpp"
#include "cuda/kernels/kernels.hpp"
#include "cuda/kernels/kv_access.hpp"

namespace llorch::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kThreads = kWarps * 32;

/// A block of each layer (blockIdx.y) in pieces of 16 bytes.
struct BlockCopy {
  unsigned char* plane;
  std::int64_t layer_bytes, block_bytes;
  std::uint32_t from, to;
};
__global__ void __launch_bounds__(kThreads) copy_block(BlockCopy p) {
  wait_its_turn();
  unsigned char* layer = p.plane + blockIdx.y * p.layer_bytes;
  const std::int64_t stride = std::int64_t{gridDim.x} * kThreads * 16;
  for (std::int64_t at = (std::int64_t{blockIdx.x} * kThreads + threadIdx.x) * 16; at < p.block_bytes; at += stride)
    store_words4(layer + p.to * p.block_bytes + at, load_words4(layer + p.from * p.block_bytes + at));
}

/// A thread moves one component (or the scale of one part) of one head of one layer through all moves, in order.
__global__ void __launch_bounds__(kThreads) copy_rows(KvView kv, const std::uint32_t* moves, std::int64_t n) {
  wait_its_turn();
  const auto layer = static_cast<std::int64_t>(blockIdx.y);
  const auto head = static_cast<std::int64_t>(blockIdx.x / 2);
  const bool keys = blockIdx.x % 2 == 0;
  const int padded = kv_padded(kv.head_dim);
  for (int d = static_cast<int>(threadIdx.x); d < padded; d += kThreads) {
    for (std::int64_t i = 0; i < n; ++i) {
      const std::uint32_t places[2] = {moves[2 * i], moves[2 * i + 1]};
      const KvHead from = kv_head(kv, keys, layer, places[0] / kKvRows, head);
      const KvHead to = kv_head(kv, keys, layer, places[1] / kKvRows, head);
      const int from_slot = static_cast<int>(places[0] % kKvRows);
      const int to_slot = static_cast<int>(places[1] % kKvRows);
      const int at = from.place(from_slot, d);
      const int to_at = to.place(to_slot, d);
      if (from.type == KvType::kF32) {
        reinterpret_cast<float*>(to.elements)[to_at] = reinterpret_cast<const float*>(from.elements)[at];
      } else if (from.type == KvType::kF16) {
        reinterpret_cast<std::uint16_t*>(to.elements)[to_at] =
            reinterpret_cast<const std::uint16_t*>(from.elements)[at];
      } else {
        to.elements[to_at] = from.elements[at];
        if (d % kKvParts == 0)
          to.scales[d / kKvParts * kKvRows + to_slot] = from.scales[d / kKvParts * kKvRows + from_slot];
      }
    }
  }
}

/// A warp for each row, head and layer.
__global__ void __launch_bounds__(kThreads)
    rotate_keys(KvView kv, const std::uint32_t* places, const float* cosines, const float* sines, int rotated) {
  wait_its_turn();
  const int head = static_cast<int>(blockIdx.y) * kWarps + warp_id();
  if (head >= kv.n_heads) return;
  const std::uint32_t place = places[blockIdx.x];
  const KvHead keys = kv_head(kv, true, blockIdx.z, place / kKvRows, head);
  const int slot = static_cast<int>(place % kKvRows);
  for (int part = 0; part * kKvParts < rotated; ++part) {
    const int d = part * kKvParts + lane_id();
    float v = d < kv.head_dim ? fetch_component(keys, slot, d) : 0.0f;
    const float partner = shuffle_xor(v, 1);
    if (d < rotated) {
      const float cosine = cosines[d / 2];
      const float sine = sines[d / 2];
      v = d % 2 == 0 ? v * cosine - partner * sine : v * cosine + partner * sine;
    }
    store_part(keys, slot, part, v);
  }
}

/// Rows of one head between the cache and the form that saved states have: floats, halves, or for each part its f16
/// scale and its codes.
struct SavedRows {
  KvView kv;
  std::int64_t layer;
  const std::uint32_t* places;
  unsigned char* rows[2];  // keys, values: (n, n_heads, row_bytes)
  std::int64_t row_bytes[2];
};
template <bool kLoad>
__global__ void __launch_bounds__(kThreads) move_saved_rows(SavedRows p) {
  wait_its_turn();
  const int head = static_cast<int>(blockIdx.y) * kWarps + warp_id();
  if (head >= p.kv.n_heads) return;
  const std::uint32_t place = p.places[blockIdx.x];
  const int slot = static_cast<int>(place % kKvRows);
  const int which = static_cast<int>(blockIdx.z);
  const KvHead cache = kv_head(p.kv, which == 0, p.layer, place / kKvRows, head);
  unsigned char* row = (which == 0 ? p.rows[0] : p.rows[1]) + (std::int64_t{blockIdx.x} * p.kv.n_heads + head) *
                                                                  (which == 0 ? p.row_bytes[0] : p.row_bytes[1]);
  const int size = kv_element_size(cache.type);
  for (int d = lane_id(); d < cache.padded; d += 32) {
    const bool real = d < p.kv.head_dim;
    if (!kLoad && !real) continue;
    const int part = d / kKvParts;
    const int scale_bytes = cache.type == KvType::kQ8_0 ? 2 * (part + 1) : 0;
    unsigned char* element = cache.elements + cache.place(slot, d) * size;
    // Rows of saved states may lie anywhere: byte by byte.
    for (int i = 0; i < size; ++i) {
      if (kLoad) {
        element[i] = real ? row[scale_bytes + d * size + i] : static_cast<unsigned char>(0);
      } else {
        row[scale_bytes + d * size + i] = element[i];
      }
    }
    if (cache.type == KvType::kQ8_0 && d % kKvParts == 0) {
      auto* scale = reinterpret_cast<unsigned char*>(cache.scales + part * kKvRows + slot);
      unsigned char* saved = row + part * (2 + kKvParts);
      for (int i = 0; i < 2; ++i) {
        if (kLoad) {
          scale[i] = saved[i];
        } else {
          saved[i] = scale[i];
        }
      }
    }
  }
}

template <bool kLoad>
void move_saved(Stream& stream, const KvView& kv, std::int64_t layer, const std::uint32_t* places, std::int64_t n,
                unsigned char* k, unsigned char* v) {
  if (n == 0) return;
  const SavedRows p{kv,
                    layer,
                    places,
                    {k, v},
                    {common::kv_row_bytes(kv.k.type, kv.head_dim), common::kv_row_bytes(kv.v.type, kv.head_dim)}};
  const auto heads = static_cast<unsigned>((kv.n_heads + kWarps - 1) / kWarps);
  launch(stream, kLoad ? "write_kv_rows" : "read_kv_rows", move_saved_rows<kLoad>, {static_cast<unsigned>(n), heads, 2},
         {kThreads}, 0, p);
}

}  // namespace

void copy_kv_block(Stream& stream, const KvView& kv, std::uint32_t from, std::uint32_t to) {
  const auto copy = [&](void* plane, std::int64_t block_bytes) {
    if (block_bytes == 0) return;
    const BlockCopy p{static_cast<unsigned char*>(plane), block_bytes * kv.n_blocks, block_bytes, from, to};
    const auto blocks = static_cast<unsigned>((block_bytes / 16 + kThreads - 1) / kThreads);
    launch(stream, "copy_kv_block", copy_block, {blocks, static_cast<unsigned>(kv.n_layers)}, {kThreads}, 0, p);
  };
  for (const KvPlane& plane : {kv.k, kv.v}) {
    copy(plane.elements, kv_element_bytes_of(plane.type, 1, 1, kv.n_heads, kv.head_dim));
    copy(plane.scales, kv_scale_bytes_of(plane.type, 1, 1, kv.n_heads, kv.head_dim));
  }
}

void copy_kv_rows(Stream& stream, const KvView& kv, const std::uint32_t* moves, std::int64_t n) {
  if (n == 0) return;
  launch(stream, "copy_kv_rows", copy_rows, {static_cast<unsigned>(2 * kv.n_heads), static_cast<unsigned>(kv.n_layers)},
         {kThreads}, 0, kv, moves, n);
}

void rotate_kv_keys(Stream& stream, const KvView& kv, const std::uint32_t* places, std::int64_t n, const float* cosines,
                    const float* sines, std::int64_t n_pairs) {
  if (n == 0 || n_pairs == 0) return;
  const Dim grid = {static_cast<unsigned>(n), static_cast<unsigned>((kv.n_heads + kWarps - 1) / kWarps),
                    static_cast<unsigned>(kv.n_layers)};
  launch(stream, "rotate_kv_keys", rotate_keys, grid, {kThreads}, 0, kv, places, cosines, sines,
         static_cast<int>(2 * n_pairs));
}

void read_kv_rows(Stream& stream, const KvView& kv, std::int64_t layer, const std::uint32_t* places, std::int64_t n,
                  unsigned char* k, unsigned char* v) {
  move_saved<false>(stream, kv, layer, places, n, k, v);
}

void write_kv_rows(Stream& stream, const KvView& kv, std::int64_t layer, const std::uint32_t* places, std::int64_t n,
                   const unsigned char* k, const unsigned char* v) {
  move_saved<true>(stream, kv, layer, places, n, const_cast<unsigned char*>(k), const_cast<unsigned char*>(v));
}

}  // namespace llorch::cuda
