// What a forward pass takes from the host: token ids, where rows go in the cache, what they see, their angles. All of
// it lies in one piece of pinned memory and reaches the device in one copy.
#pragma once

#include <llorch/llorch_plugin.h>

#include <cstdint>
#include <vector>

#include "common/batch/live_rows.hpp"
#include "common/kv/kv_book.hpp"
#include "common/rope/rope.hpp"
#include "cuda/device/runtime.hpp"
#include "cuda/kernels/kernels.hpp"
#include "llama/config.hpp"

namespace llorch::llama2_cuda {

/// How many of everything a batch has; decides where things lie. A graph holds addresses, so all batches that share one
/// share this too.
struct InputCounts {
  std::int64_t n_rows = 0;
  std::int64_t n_blocks = 0;        ///< entries of all block tables
  std::int64_t n_tiles = 0;         ///< of all rows; 0 for decode steps
  std::int64_t n_outputs = 0;       ///< rows whose logits are wanted, unless that is all of them: then 0
  std::int64_t n_output_tiles = 0;  ///< of these
};

/// Query rows as attention takes them, on the device.
struct QueryInputs {
  const cuda::VisibleRows* visible = nullptr;
  const cuda::QueryTile* tiles = nullptr;
  std::int64_t n_tiles = 0;
};

/// Device addresses of one batch's inputs.
struct InputViews {
  const std::int32_t* tokens = nullptr;   // (n_rows)
  const std::uint32_t* places = nullptr;  // (n_rows)
  const float* cosines = nullptr;         // (n_rows, rotated)
  const float* sines = nullptr;           // (n_rows, rotated)
  const std::uint32_t* blocks = nullptr;  // (n_blocks)
  QueryInputs all;                        // every row
  const std::int32_t* outputs = nullptr;  // (n_outputs): rows whose logits are wanted
  QueryInputs wanted;                     // these alone
};

/// One caller at a time. Between fill() and the end of what reads it, nothing may fill it again.
class Inputs {
 public:
  /// For batches of up to max_rows rows of sequences of up to `longest` rows each.
  Inputs(int device, const llama::Config& config, std::int64_t max_rows, std::int64_t max_seqs, std::int64_t longest);
  static std::uint64_t bytes_for(const llama::Config& config, std::int64_t max_rows, std::int64_t max_seqs,
                                 std::int64_t longest);
  [[nodiscard]] std::uint64_t bytes() const { return device_.bytes(); }
  /// Of the host: as many.
  [[nodiscard]] std::uint64_t pinned_bytes() const { return host_.bytes(); }

  /// What a decode step looks like whose sequences hold up to `most_visible` rows, a multiple of common::kKvBlock: each
  /// row has a block table of that length.
  static InputCounts decode_counts(std::int64_t n_rows, std::int64_t most_visible);
  /// What any other batch looks like.
  InputCounts prefill_counts(const common::LiveRows& rows);

  /// Writes a batch whose rows have room in the cache. `rows`: all of them. counts: one of the two above.
  void fill(const InputCounts& counts, const llorch_batch& batch, const common::LiveRows& rows,
            const common::KvBook& book, const common::Rope& rope);
  [[nodiscard]] InputViews views(const InputCounts& counts) const;
  /// The copy to the device.
  void send(cuda::Stream& stream, const InputCounts& counts);

 private:
  struct Offsets;
  [[nodiscard]] Offsets offsets(const InputCounts& counts) const;
  void put_queries(const std::vector<common::QueryRun>& runs, const common::KvBook& book,
                   const std::vector<std::uint32_t>& tables, cuda::VisibleRows* visible) const;

  llama::Config config_;
  cuda::DeviceMemory device_;
  cuda::PinnedMemory host_;
  common::LiveRows wanted_;            // of the batch that prefill_counts() looked at
  std::vector<std::int64_t> outputs_;  // where these were
  std::vector<cuda::QueryTile> tiles_, wanted_tiles_;
};

}  // namespace llorch::llama2_cuda
