// What runs on the device: every step of a forward pass as a function that gives its kernels to a stream.
//
// All pointers in views are device memory, aligned to 16 bytes, strides multiples of 4 floats. Nothing waits, nothing
// is allocated: every function may be captured into a graph. The arithmetic of each output element is the same whatever
// the number of rows and its neighbours (docs/cuda_kernels.md). Failures are those of launch().
#pragma once

#include <cstdint>
#include <initializer_list>

#include "cuda/kernels/kv_view.hpp"
#include "cuda/weights/device_matrix.hpp"

namespace llorch::cuda {

class Stream;  // of runtime.hpp, which would be most of what nvcc reads

/// Up to this many rows are a decode step: kernels that wait for memory. More rows are prefill. Both give the same
/// bits.
inline constexpr std::int64_t kDecodeRows = 8;

/// Floats (n_rows, n_cols), rows `stride` floats apart. Does not own them.
struct RowsView {
  float* data = nullptr;
  std::int64_t n_rows = 0;
  std::int64_t n_cols = 0;
  std::int64_t stride = 0;
};

// ---- activations as products take them ------------------------------------------------------------------------------

/// What the activations of a product are converted to: floats as they are; f16 times a power of two of the row; two
/// bf16 that sum up to 16 bits of the float; int8 codes with a scale for 32 columns, the codes and scales of
/// llama2_cpu.
enum class ActivationKind : std::uint32_t { kF32, kF16, kBf16, kQ8 };
/// What matrices of a type are multiplied by.
ActivationKind activation_kind(WeightType type);

/// Converted rows. Does not own them; `data` has activation_bytes(kind, capacity, n_cols) bytes, aligned to 256.
struct ActivationView {
  ActivationKind kind = ActivationKind::kF32;
  void* data = nullptr;
  std::int64_t n_rows = 0;
  std::int64_t n_cols = 0;
  std::int64_t capacity = 0;  ///< rows that `data` was made for
};
std::uint64_t activation_bytes(ActivationKind kind, std::int64_t capacity, std::int64_t n_cols);

/// out = x, converted. Shapes agree. Of up to kDecodeRows rows, only what products of so few read is written: these
/// rows, and zeros where the scales and sums of other rows of the tile lie.
void convert(Stream& stream, const RowsView& x, const ActivationView& out);

/// y = x / sqrt(mean(x^2) + eps) * weight, row by row; weight (n_cols) in constant memory (DeviceMemory). y.data may
/// be null, out may be null: what is not null receives the result. y may be x.
void rms_norm(Stream& stream, const RowsView& x, const float* weight, float eps, const RowsView& y,
              const ActivationView* out);

// ---- products -------------------------------------------------------------------------------------------------------

/// y (n_rows, weights.n_rows) = x W^T.
struct Product {
  MatrixView weights;
  RowsView y;
};
enum class Store : std::uint32_t { kReplace, kAdd };  ///< y = ..., or y = y + ...

/// Up to 4 products with the same activations, whose kind is that of all the matrices. One launch for each type of
/// matrix among them.
void matmul(Stream& stream, const ActivationView& x, std::initializer_list<Product> products, Store store);

/// y = silu(x G^T) * (x U^T), the bits of matmul() followed by silu_gate(). Only where can_gate().
void matmul_gated(Stream& stream, const ActivationView& x, const MatrixView& gate, const MatrixView& up,
                  const RowsView& y);
/// Whether both matrices have one type and one shape.
bool can_gate(const MatrixView& gate, const MatrixView& up);

/// gate = silu(gate) * up.
void silu_gate(Stream& stream, const RowsView& gate, const RowsView& up);
/// x = x + y.
void add_rows(Stream& stream, const RowsView& x, const RowsView& y);

/// x (n_rows, table.n_cols): row i = row ids[i] of the table, bit-equal to the definition of its type. ids (x.n_rows)
/// on the device, each below table.n_rows.
void gather_embeddings(Stream& stream, const MatrixView& table, const std::int32_t* ids, const RowsView& x);

/// out row i = x row index[i]; index (out.n_rows) on the device; out is not x.
void gather_rows(Stream& stream, const RowsView& x, const std::int32_t* index, const RowsView& out);

// ---- rotary positions and the cache ---------------------------------------------------------------------------------

/// Rows on their way into one layer of the cache.
struct NewRows {
  RowsView q, k, v;                       // (n_rows, heads * head_dim); k and v of the cache's heads
  const float* cosines = nullptr;         // (n_rows, rotated), as Rope::angles() writes them
  const float* sines = nullptr;           // (n_rows, rotated)
  std::int64_t rotated = 0;               // components of a head that turn; 0: none
  const std::uint32_t* places = nullptr;  // (n_rows): block * 16 + slot, where each row goes in every layer
};
/// Turns q and k in place and stores k and v in the cache, rounded to its types as llama2_cpu rounds.
void rotate_and_store(Stream& stream, const NewRows& rows, const KvView& kv, std::int64_t layer);

/// Copies one block of all layers to another.
void copy_kv_block(Stream& stream, const KvView& kv, std::uint32_t from, std::uint32_t to);
/// Copies rows of all layers in order: what an earlier move overwrote no later one reads. moves (n, 2) on the device:
/// from, to, each block * 16 + slot.
void copy_kv_rows(Stream& stream, const KvView& kv, const std::uint32_t* moves, std::int64_t n);
/// Turns the keys of rows of all layers, component 2i with 2i + 1 for i < n_pairs, and rounds them to their type again.
/// places (n), cosines, sines (n_pairs) on the device.
void rotate_kv_keys(Stream& stream, const KvView& kv, const std::uint32_t* places, std::int64_t n, const float* cosines,
                    const float* sines, std::int64_t n_pairs);
/// Rows of one layer as saved states have them: (n, n_heads, common::kv_row_bytes()) bytes of keys and of values, on
/// the device.
void read_kv_rows(Stream& stream, const KvView& kv, std::int64_t layer, const std::uint32_t* places, std::int64_t n,
                  unsigned char* k, unsigned char* v);
void write_kv_rows(Stream& stream, const KvView& kv, std::int64_t layer, const std::uint32_t* places, std::int64_t n,
                   const unsigned char* k, const unsigned char* v);

// ---- attention ------------------------------------------------------------------------------------------------------

/// What one query row sees: rows [begin, end) of its sequence, at least one.
struct VisibleRows {
  std::uint32_t table;  // where the sequence's block table begins in AttentionArgs::blocks
  std::int32_t begin, end;
};

/// Query rows of one sequence that share the loads of its keys: neighbours whose bounds ascend.
struct QueryTile {
  std::int32_t first_row;
  std::int32_t n_rows;  // 1..query_tile_rows()
};
/// Rows of the largest tile: 8 (row, head) pairs of a key head at most.
constexpr std::int64_t query_tile_rows(std::int64_t n_heads, std::int64_t n_heads_kv) {
  const std::int64_t shared = n_heads / n_heads_kv;
  return shared >= 8 ? 1 : 8 / shared;
}

/// The widest heads that attention was compiled for.
inline constexpr std::int64_t kMostHeadDim = 256;

/// Rows of the cache that are summed as one; chunk c holds rows 64c .. 64c + 63 of a sequence.
inline constexpr std::int64_t kAttentionChunk = 64;

struct AttentionArgs {
  RowsView q, out;  // (n_rows, n_heads * head_dim), rotated queries; merged heads
  KvView kv;
  std::int64_t layer = 0;
  std::int64_t n_heads = 0;               // of queries: a multiple of kv.n_heads, neighbours share keys
  float scale = 1.0f;                     // scores are (q . k) * scale
  const VisibleRows* rows = nullptr;      // (n_rows) on the device
  const std::uint32_t* blocks = nullptr;  // block tables on the device
  std::int64_t most_visible = 0;          // no row's end is above it (may be rounded up: it sizes the grid)
  const QueryTile* tiles = nullptr;       // (n_tiles) on the device; needed above kDecodeRows rows
  std::int64_t n_tiles = 0;
  float* scratch = nullptr;  // attention_scratch_floats() on the device; needed up to kDecodeRows rows
};
/// Floats for decode steps of up to n_rows rows. 0 above kDecodeRows.
std::uint64_t attention_scratch_floats(std::int64_t n_rows, std::int64_t n_heads, std::int64_t head_dim,
                                       std::int64_t most_visible);

/// out = softmax(scores) v, head by head. Both caches f16 or q8_0: q and the probabilities are rounded to f16 and
/// multiplied on tensor cores; with f32 in either: f32 throughout.
void attend(Stream& stream, const AttentionArgs& args);
/// The bits of attend() followed by convert() of args.out, in one launch less for up to kDecodeRows rows where products
/// take int8 codes, a head is made of whole chunks of 32 components and neither cache is f32. What args.out holds
/// afterwards is undefined.
void attend_converted(Stream& stream, const AttentionArgs& args, const ActivationView& converted);

/// For taps: scores (n_heads, n_rows, n_columns) of rows first_row .. first_row + n_rows - 1 of the args: what attend()
/// computes before the softmax, scaled; -inf where a row does not see.
void attention_scores(Stream& stream, const AttentionArgs& args, std::int64_t first_row, std::int64_t n_rows,
                      std::int64_t n_columns, float* scores);

}  // namespace llorch::cuda
