// One conversation partner of the host: KV cache, scratch memory, threads and the forward pass.
#pragma once

#include <llorch/plugin_table.hpp>

#include <cstdint>
#include <utility>

#include "common/batch/limits.hpp"
#include "cpu/compute/attention.hpp"
#include "cpu/compute/compute.hpp"
#include "cpu/compute/live_rows.hpp"
#include "cpu/compute/taps.hpp"
#include "cpu/kv_cache/kv_cache.hpp"
#include "gpt2_cpu/block.hpp"
#include "gpt2_cpu/config.hpp"

namespace llorch::gpt2_cpu {

class Model;

/// Bytes that a context takes.
struct ContextBytes {
  std::uint64_t kv = 0;
  std::uint64_t scratch = 0;
};
ContextBytes context_bytes(const Config& config, const common::ContextLimits& limits);

/// One caller at a time. The functions that the ABI names do what llorch_plugin.h says.
class Context {
 public:
  Context(const Model& model, const common::ContextLimits& limits);

  llorch_output forward(const llorch_batch& batch);
  void kv_seq_remove(std::int32_t seq, std::int32_t p0, std::int32_t p1) { kv_.remove(seq, p0, p1); }
  void kv_seq_copy(std::int32_t src, std::int32_t dst, std::int32_t p0, std::int32_t p1) { kv_.copy(src, dst, p0, p1); }
  void kv_seq_shift(std::int32_t seq, std::int32_t p0, std::int32_t p1, std::int32_t delta) {
    kv_.shift(seq, p0, p1, delta);
  }
  [[nodiscard]] std::pair<std::int32_t, std::int32_t> kv_seq_range(std::int32_t seq) const;
  void kv_seq_save(std::int32_t seq, const llorch_writer& writer) const { kv_.save(seq, writer); }
  void kv_seq_load(std::int32_t seq, const llorch_reader& reader) { kv_.load(seq, reader); }
  [[nodiscard]] llorch_kv_usage kv_usage() const { return kv_.usage(); }
  void set_tap(const llorch_tap* tap);
  void memory_usage(const abi::MemoryReport& report) const;

 private:
  /// x = token embedding + position embedding
  void embed(const llorch_batch& batch);
  /// logits = final_norm(x) W^T
  llorch_output head();

  const Model& model_;
  common::ContextLimits limits_;
  cpu::Compute compute_;
  cpu::Attention attention_;
  cpu::KvCache kv_;
  cpu::Taps taps_;
  Activations activations_;
  common::LiveRows rows_;
};

}  // namespace llorch::gpt2_cpu
