// A model in memory for tests of the engine: logits are a function of all tokens of a sequence, KV bookkeeping is
// strict, and faults happen on demand.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "plugin/plugin.hpp"

namespace llorch::test {

/// One row of a forward() as the hook sees it.
struct FakeRow {
  std::int32_t token, position, seq;
  bool output;
};

/// What the next forward() does.
enum class FakeAction : std::uint8_t {
  kCompute,
  kNoKvSpace,
  kCancelled,
  kDeviceError,    ///< state unchanged
  kInternal,       ///< state of the batch's sequences lost
  kHalfWritten,    ///< a plugin that breaks the contract: fails with the rows appended
  kNan,            ///< computes, but the batch's last output row holds a NaN
  kWrongRows,      ///< computes, but returns a row too few
  kWaitForCancel,  ///< blocks until set_cancelled(true), then kCancelled
  kThrow
};

class FakeContext;

/// Shared by the test and the context; everything in here may be used from any thread.
class FakeModel final : public plugin::Model {
 public:
  static constexpr std::uint64_t kAllCaps =
      LLORCH_CAP_MULTI_SEQ | LLORCH_CAP_MIXED_BATCH | LLORCH_CAP_KV_PARTIAL_REMOVE | LLORCH_CAP_BATCH_INVARIANT;
  explicit FakeModel(std::uint32_t vocab_size = 300, std::uint32_t max_positions = 64, std::uint64_t caps = kAllCaps);

  [[nodiscard]] const llorch_model_info& info() const override { return info_; }
  [[nodiscard]] Result<std::unique_ptr<plugin::Context>> create_context(const plugin::ContextParams& params) override;

  /// Before the engine starts: called at the start of each forward(), on the engine's thread; it may block.
  std::function<FakeAction(std::span<const FakeRow>)> hook;
  /// Before the engine starts: which token gets the largest logit after `history`. Default: a hash of it.
  std::function<std::int32_t(std::span<const std::int32_t> history)> next_token;
  /// Before the engine starts: create_context() fails.
  std::optional<Error> refuse_context;

  /// The deterministic logits that follow `history`: what the engine's results are compared with.
  [[nodiscard]] std::vector<float> logits_after(std::span<const std::int32_t> history) const;

  /// Breaches of the ABI's contract seen so far; empty when the engine behaved.
  [[nodiscard]] std::vector<std::string> breaches() const;
  [[nodiscard]] std::vector<std::vector<FakeRow>> calls() const;  ///< the rows of every forward()
  [[nodiscard]] plugin::ContextParams context_params() const;
  [[nodiscard]] std::size_t kv_tokens() const;  ///< held now, all sequences together

 private:
  friend class FakeContext;
  void breach(std::string what);

  llorch_model_info info_{};
  mutable std::mutex mutex_;
  std::vector<std::string> breaches_;
  std::vector<std::vector<FakeRow>> calls_;
  plugin::ContextParams params_;
  std::atomic<std::size_t> kv_tokens_ = 0;
};

}  // namespace llorch::test
