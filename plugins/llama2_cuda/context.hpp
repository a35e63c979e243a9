// One conversation partner of the host: KV cache, scratch memory, a stream of its own and the forward pass.
#pragma once

#include <llorch/plugin_table.hpp>

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "common/batch/limits.hpp"
#include "cuda/device/runtime.hpp"
#include "cuda/kv_cache/kv_cache.hpp"
#include "llama2_cuda/block.hpp"
#include "llama2_cuda/inputs.hpp"
#include "llama2_cuda/taps.hpp"

namespace llorch::llama2_cuda {

class Model;

/// What a context takes.
struct ContextBytes {
  std::uint64_t kv = 0;       ///< on the device
  std::uint64_t scratch = 0;  ///< on the device
  std::uint64_t pinned = 0;   ///< of the host's memory
};
ContextBytes context_bytes(const Config& config, const common::ContextLimits& limits);

/// One caller at a time. The functions that the ABI names do what llorch_plugin.h says. After an error of the device
/// each of them that needs it fails with the first message.
class Context {
 public:
  Context(const Model& model, const common::ContextLimits& limits);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  llorch_output forward(const llorch_batch& batch);
  void kv_seq_remove(std::int32_t seq, std::int32_t p0, std::int32_t p1) { kv_.remove(seq, p0, p1); }
  void kv_seq_copy(std::int32_t src, std::int32_t dst, std::int32_t p0, std::int32_t p1) { kv_.copy(src, dst, p0, p1); }
  /// Turns the keys to their new positions.
  void kv_seq_shift(std::int32_t seq, std::int32_t p0, std::int32_t p1, std::int32_t delta);
  [[nodiscard]] std::pair<std::int32_t, std::int32_t> kv_seq_range(std::int32_t seq) const;
  void kv_seq_save(std::int32_t seq, const llorch_writer& writer) const { kv_.save(seq, writer); }
  void kv_seq_load(std::int32_t seq, const llorch_reader& reader) { kv_.load(seq, reader); }
  [[nodiscard]] llorch_kv_usage kv_usage() const { return kv_.usage(); }
  void set_tap(const llorch_tap* tap);
  void memory_usage(const abi::MemoryReport& report) const;

 private:
  /// Few rows, all with logits, no tap: the same launches each time, as one graph.
  void decode_step(const llorch_batch& batch, std::int64_t most_visible);
  void prefill(const llorch_batch& batch, std::int64_t most_visible);
  /// Gives all of a forward pass to the stream.
  void launch(const InputCounts& counts, std::int64_t most_visible);
  void poll(std::size_t layer);
  /// logits = final_norm(x) W^T, and their way to the host.
  void head(BlockState& s);
  /// Waits where an interrupted pass left work behind, so that its inputs may be overwritten.
  void settle();

  const Model& model_;
  common::ContextLimits limits_;
  cuda::Stream stream_;
  cuda::KvCache kv_;
  Activations activations_;
  Inputs inputs_;
  cuda::PinnedMemory logits_;  // (output rows, n_vocab padded)
  Taps taps_;
  common::LiveRows rows_;
  struct DecodeGraph {
    bool loaded = false;  // its kernels have run
    cuda::Graph graph;
  };
  std::map<std::pair<std::int64_t, std::int64_t>, DecodeGraph> graphs_;  // by rows and what they see at most
  bool use_graphs_;
  bool busy_ = false;      // work was given that nobody waited for
  bool in_graph_ = false;  // launch() is being recorded
};

}  // namespace llorch::llama2_cuda
