// What the files of the ladder share. Include nowhere else.
#pragma once

#include <map>

#include "checkpoint/difference.hpp"
#include "checkpoint/ladder.hpp"

namespace llorch::checkpoint {

/// The tensors of a block in the order in which they are computed.
inline constexpr std::uint32_t kBlockOrder[] = {LLORCH_TAP_ATTN_NORM, LLORCH_TAP_Q,         LLORCH_TAP_K,
                                                LLORCH_TAP_V,         LLORCH_TAP_Q_ROTATED, LLORCH_TAP_K_ROTATED,
                                                LLORCH_TAP_SCORES,    LLORCH_TAP_ATTN_OUT,  LLORCH_TAP_FFN_NORM,
                                                LLORCH_TAP_FFN_OUT,   LLORCH_TAP_BLOCK_OUT};

/// State of one climb: a context large enough for every case, and what the taps showed for each.
struct Climb {
  Subject subject;
  const Reference& reference;
  Tolerances tolerances;
  llorch_model_info info{};
  plugin::ContextParams params{};
  std::unique_ptr<plugin::Context> context;
  std::vector<TapRecord> records;  ///< by case
  std::string first_difference;

  [[nodiscard]] bool has(std::uint64_t capability) const { return (info.caps & capability) != 0; }
};

/// Empties the sequences and takes the taps of all cases.
[[nodiscard]] Result<void> prepare(Climb& climb);
[[nodiscard]] Result<void> forget(plugin::Context& context, const Climb& climb);

/// Each of the tensors (tap, layer) over all cases that have it.
[[nodiscard]] Result<Rung> tensor_rung(Climb& climb, std::string number, std::string component,
                                       const std::vector<std::pair<std::uint32_t, std::int32_t>>& tensors,
                                       const Tolerance& tolerance);

using RungFunction = Result<Rung> (*)(Climb&);
[[nodiscard]] Result<Rung> check_kv_cache(Climb& climb);       // 3
[[nodiscard]] Result<Rung> check_full_logits(Climb& climb);    // 8
[[nodiscard]] Result<Rung> check_selected_rows(Climb& climb);  // 9
[[nodiscard]] Result<Rung> check_argmax(Climb& climb);         // 10
[[nodiscard]] Result<Rung> check_softmax(Climb& climb);        // 11
[[nodiscard]] Result<Rung> check_end_to_end(Climb& climb);     // 12

/// Bit for bit equal, with the first difference in words.
[[nodiscard]] Finding same_bytes(std::string subject, const Rows& actual, const Rows& expected);
[[nodiscard]] Finding skipped(std::string subject, std::string why);
/// A property that holds or does not.
[[nodiscard]] Finding property(std::string subject, bool holds, std::string otherwise);

}  // namespace llorch::checkpoint
