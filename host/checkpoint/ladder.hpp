// The checkpoint ladder: component after component of a forward pass, compared with an independent reference.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "checkpoint/reference.hpp"
#include "checkpoint/session.hpp"
#include "checkpoint/tolerances.hpp"
#include "plugin/plugin.hpp"
#include "tokenizer/tokenizer.hpp"

namespace llorch::checkpoint {

enum class Verdict : std::uint8_t { kYes, kNo, kSkipped };
[[nodiscard]] std::string_view to_string(Verdict verdict) noexcept;

/// One comparison: a tensor over all cases and the layers of its rung, or one property.
struct Finding {
  std::string subject;  ///< "attn_norm, layer 0", "prefill in chunks of 3"
  double max_error = 0.0;
  double tolerance = 0.0;  ///< 0: exact
  Verdict verdict = Verdict::kYes;
  std::string detail;  ///< of the worst element, or why it was skipped; empty when all is well
};

struct Rung {
  std::string number;  ///< "0", "1", "1B", ..., "12"
  std::string component;
  std::vector<Finding> findings;
  [[nodiscard]] Verdict verdict() const;
};

/// What the ladder needs from one model. `tokenizer` may be null: then rung 12 compares ids only.
struct Subject {
  plugin::Model* model = nullptr;
  const tokenizer::Tokenizer* tokenizer = nullptr;
  std::uint32_t n_threads = 1;
  std::uint32_t kv_dtype_k = 0, kv_dtype_v = 0;  ///< LLORCH_DTYPE_*; the tolerances are for a cache of f32
};

struct LadderResult {
  std::vector<Rung> rungs;  ///< up to and including the first that failed
  /// Set when a rung failed: the first tensor in the order of computation that differs, or what went wrong.
  std::string first_difference;
  [[nodiscard]] bool passed() const;
};

/// Climbs from rung 0 and stops at the first failure. `on_rung` hears of each when it is done. Errors are those that
/// prevent comparing at all: a file of the reference that cannot be read, a context that cannot be created.
[[nodiscard]] Result<LadderResult> climb(const Subject& subject, const Reference& reference,
                                         const Tolerances& tolerances = {},
                                         const std::function<void(const Rung&)>& on_rung = {});

}  // namespace llorch::checkpoint
