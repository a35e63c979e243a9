// One model under test: contexts, forward passes of whole prompts, and a record of what the taps showed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "checkpoint/npy.hpp"
#include "plugin/plugin.hpp"

namespace llorch::checkpoint {

/// Copies of the tapped tensors of one or more forward passes.
class TapRecord {
 public:
  struct Event {
    Tensor tensor;
    std::vector<std::uint32_t> rows;  ///< rows of the batch; empty: all in order
    std::uint32_t flags = 0;
  };
  void add(const llorch_tap_event& event);
  void clear() { events_.clear(); }
  /// All events of one tensor in the order they came; empty when there was none.
  [[nodiscard]] std::span<const Event> all(std::uint32_t tap, std::int32_t layer) const;
  /// The only event, or null when there were none or several.
  [[nodiscard]] const Event* only(std::uint32_t tap, std::int32_t layer) const;

 private:
  std::map<std::pair<std::uint32_t, std::int32_t>, std::vector<Event>> events_;
};

/// Logits copied out of a context, one vector per row that asked for them.
using Rows = std::vector<std::vector<float>>;

/// Which rows of a prompt ask for logits.
enum class Wanted : std::uint8_t { kNone, kLast, kAll };

/// Feeds `ids` to sequence `seq` from `first_position` on, in chunks of at most `chunk` rows. Returns the wanted rows.
[[nodiscard]] Result<Rows> feed(plugin::Context& context, std::span<const std::int32_t> ids,
                                std::int32_t first_position, Wanted wanted, std::int32_t seq = 0,
                                std::uint32_t chunk = 1U << 30U);

/// Feeds the prompt with every tap that the model offers and returns the record. The tap is removed again.
[[nodiscard]] Result<TapRecord> record_taps(plugin::Context& context, const llorch_model_info& info,
                                            std::span<const std::int32_t> ids);

/// Greedy decoding: `count` ids after the prompt (which is fed first), ties to the lowest id.
[[nodiscard]] Result<std::vector<std::int32_t>> decode_greedily(plugin::Context& context,
                                                                std::span<const std::int32_t> prompt,
                                                                std::size_t count);

}  // namespace llorch::checkpoint
