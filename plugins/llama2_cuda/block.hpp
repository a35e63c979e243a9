// One transformer block of Llama over a batch of rows, given to a stream.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "common/batch/live_rows.hpp"
#include "cuda/device/runtime.hpp"
#include "cuda/kernels/kernels.hpp"
#include "llama2_cuda/inputs.hpp"
#include "llama2_cuda/taps.hpp"
#include "llama2_cuda/weights.hpp"

namespace llorch::llama2_cuda {

/// Device memory for up to max_rows rows of floats.
class RowMemory {
 public:
  RowMemory(int device, std::int64_t max_rows, std::int64_t n_cols, const char* what);
  static std::uint64_t bytes_for(std::int64_t max_rows, std::int64_t n_cols);
  [[nodiscard]] cuda::RowsView rows(std::int64_t n) const { return {memory_.as<float>(), n, n_cols_, stride_}; }
  [[nodiscard]] std::uint64_t bytes() const { return memory_.bytes(); }

 private:
  std::int64_t n_cols_, stride_;
  cuda::DeviceMemory memory_;
};

/// Every intermediate of a forward pass, allocated once per context for max_rows rows.
struct Activations {
  /// `longest`: rows of a sequence.
  Activations(int device, const Config& c, std::int64_t max_rows, std::int64_t max_output_rows, std::int64_t longest);
  static std::uint64_t bytes_for(const Config& c, std::int64_t max_rows, std::int64_t max_output_rows,
                                 std::int64_t longest);
  [[nodiscard]] std::uint64_t bytes() const;
  /// `converted` for rows of that many columns.
  [[nodiscard]] cuda::ActivationView converted_rows(cuda::ActivationKind kind, std::int64_t n_rows,
                                                    std::int64_t n_cols) const;

  std::int64_t max_rows;
  RowMemory x;                   // (rows, dim), the residual stream
  RowMemory norm;                // (rows, dim), where it is needed as floats
  RowMemory q;                   // (rows, n_heads * head_dim)
  RowMemory k;                   // (rows, n_heads_kv * head_dim)
  RowMemory v;                   // (rows, n_heads_kv * head_dim)
  RowMemory attention;           // (rows, n_heads * head_dim), merged heads
  RowMemory branch;              // (rows, dim), what is added to the residual stream, where a tap wants to see it
  RowMemory gate;                // (rows, ffn_dim), silu(gate) * up
  RowMemory up;                  // (rows, ffn_dim), where gate and up cannot be one product
  RowMemory wanted_x;            // (output rows, dim): x of the rows whose logits are wanted
  RowMemory wanted_q;            // (output rows, n_heads * head_dim)
  RowMemory logits;              // (output rows, n_vocab)
  cuda::DeviceMemory converted;  // activations as the products take them
  cuda::DeviceMemory scratch;    // of attention
};

/// What a block works with: all of it belongs to one context and one batch.
struct BlockState {
  const Config& config;
  cuda::Stream& stream;
  const cuda::KvView& kv;
  Taps& taps;
  const Activations& a;
  const common::LiveRows& rows;  ///< of the whole batch
  const InputViews& in;
  std::int64_t most_visible;  ///< no row sees more rows of the cache
  cuda::RowsView x;           ///< the residual stream
  QueryInputs queries;        ///< of the rows of x
};

/// The rows of s.x at the front of other memory, where only those whose logits are wanted go on.
enum class Keep : std::uint8_t { kAll, kWanted };

/// x += attention(norm(x)); x += feed_forward(norm(x)). With Keep::kWanted, the other rows are dropped as soon as their
/// keys and values are stored: for the last block. s.x and s.queries change then.
void forward_block(const LayerWeights& w, std::int64_t layer, Keep keep, BlockState& s);

/// Products of norm(s.x) * weight, each of whatever type. batch_row: of each row of s.x, for the tap.
void normed_project(BlockState& s, const float* weight, std::uint32_t tap, std::int64_t layer,
                    const std::uint32_t* batch_row, std::initializer_list<cuda::Product> products);

}  // namespace llorch::llama2_cuda
