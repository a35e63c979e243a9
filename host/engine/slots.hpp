// The sequences of the KV cache: which are taken, and what the idle ones still hold for reuse.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "plugin/plugin.hpp"

namespace llorch::engine {

/// Engine's thread only.
class Slots {
 public:
  /// `reuse`: idle slots keep their KV for prompts that begin alike. `context` must outlive this.
  Slots(plugin::Context& context, std::uint32_t count, bool reuse);

  struct Lease {
    std::uint32_t slot = 0;
    std::uint32_t cached = 0;  ///< tokens of the prompt that the slot's KV cache holds already; below the prompt's size
  };
  /// Takes the idle slot that shares the longest prefix with `prompt` (from kMinReuse tokens on), else the one idle for
  /// longest. Call only when one is idle. At least the prompt's last token is left to compute, for its logits.
  [[nodiscard]] Result<Lease> acquire(std::span<const std::int32_t> prompt, bool may_reuse);
  /// Gives a slot back whose KV cache holds exactly `held`; `keep` allows to reuse it.
  [[nodiscard]] Result<void> release(std::uint32_t slot, std::span<const std::int32_t> held, bool keep);
  /// Gives a slot back whose KV cache may hold anything: asks the plugin what there is and removes it.
  [[nodiscard]] Result<void> reset(std::uint32_t slot);
  /// Frees what idle slots hold. True if that was anything.
  [[nodiscard]] Result<bool> evict_idle();

  [[nodiscard]] bool any_idle() const { return n_idle_ > 0; }
  [[nodiscard]] bool reuses() const { return reuse_; }

  /// Below this, copying costs as much as it saves.
  static constexpr std::uint32_t kMinReuse = 8;

 private:
  struct Slot {
    bool taken = false;
    std::vector<std::int32_t> held;  ///< tokens in the KV cache while idle, position = index
    std::uint64_t last_use = 0;
  };
  Result<void> truncate(std::uint32_t slot, std::uint32_t size);

  plugin::Context* context_;
  bool reuse_;
  std::vector<Slot> slots_;
  std::uint32_t n_idle_;
  std::uint64_t clock_ = 0;
};

}  // namespace llorch::engine
