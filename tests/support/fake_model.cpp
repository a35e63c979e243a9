#include "support/fake_model.hpp"

#include <algorithm>
#include <limits>
#include <set>
#include <stdexcept>
#include <utility>

namespace llorch::test {
namespace {

std::uint64_t mix(std::uint64_t x) {  // the finaliser of SplitMix64
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

}  // namespace

class FakeContext final : public plugin::Context {
 public:
  FakeContext(FakeModel& model, const plugin::ContextParams& params)
      : model_(model), params_(params), sequences_(params.max_seqs) {}

  Result<plugin::Output> forward(std::span<const std::int32_t> tokens, std::span<const std::int32_t> positions,
                                 std::span<const std::int32_t> seq_ids,
                                 std::span<const std::uint32_t> output_flags) override {
    const OneCaller caller(*this);
    std::vector<FakeRow> rows;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      rows.push_back({tokens[i], positions[i], seq_ids[i], output_flags[i] == 1});
    }
    {
      const std::lock_guard lock(model_.mutex_);
      model_.calls_.push_back(rows);
    }
    check(rows,
          positions.size() == tokens.size() && seq_ids.size() == tokens.size() && output_flags.size() == tokens.size());
    const FakeAction action = model_.hook ? model_.hook(rows) : FakeAction::kCompute;
    if (auto fault = act(action, rows)) return std::move(*fault);
    return compute(rows, action);
  }

  Result<void> kv_seq_remove(std::int32_t seq, std::int32_t p0, std::int32_t p1) override {
    const OneCaller caller(*this);
    if (seq < 0 || seq >= static_cast<std::int32_t>(sequences_.size())) {
      return make_error(ErrorCode::kInvalidArgument, "kv_seq_remove: no such sequence");
    }
    auto& held = sequences_[seq];
    const auto size = static_cast<std::int32_t>(held.size());
    p0 = p0 < 0 ? 0 : std::min(p0, size);
    p1 = p1 < 0 ? size : std::min(p1, size);
    if (p0 >= p1) return {};
    if (p1 != size) model_.breach("kv_seq_remove leaves a hole");
    if (p0 > 0 && (model_.info_.caps & LLORCH_CAP_KV_PARTIAL_REMOVE) == 0) {
      return make_error(ErrorCode::kUnsupported, "kv_seq_remove of a part");
    }
    held.resize(p0);
    count();
    return {};
  }
  Result<void> kv_seq_copy(std::int32_t, std::int32_t, std::int32_t, std::int32_t) override { return unused(); }
  Result<void> kv_seq_shift(std::int32_t, std::int32_t, std::int32_t, std::int32_t) override { return unused(); }
  Result<std::optional<std::pair<std::int32_t, std::int32_t>>> kv_seq_range(std::int32_t seq) override {
    const OneCaller caller(*this);
    const auto& held = sequences_.at(seq);
    if (held.empty()) return std::optional<std::pair<std::int32_t, std::int32_t>>{};
    return std::optional{std::pair{0, static_cast<std::int32_t>(held.size()) - 1}};
  }
  Result<std::vector<std::byte>> kv_seq_save(std::int32_t) override { return unused(); }
  Result<void> kv_seq_load(std::int32_t, std::span<const std::byte>) override { return unused(); }
  Result<llorch_kv_usage> kv_usage() override {
    const auto used = static_cast<std::uint32_t>(model_.kv_tokens_.load());
    return llorch_kv_usage{sizeof(llorch_kv_usage), params_.max_tokens - used, used, 0};
  }
  Result<void> set_tap(std::uint64_t, std::int32_t, std::int32_t, TapFn) override { return unused(); }
  Result<plugin::MemoryUse> memory_usage() override {
    return plugin::MemoryUse{.weights = 1000, .kv = params_.max_tokens * 8ULL, .scratch = 64, .fixed = 0};
  }
  void set_cancelled(bool cancelled) noexcept override {
    const std::lock_guard lock(cancel_mutex_);
    cancelled_ = cancelled;
    cancel_changed_.notify_all();
  }

 private:
  /// The contract says one caller at a time.
  class OneCaller {
   public:
    explicit OneCaller(FakeContext& context) : context_(context) {
      if (context.busy_.exchange(true)) context.model_.breach("two callers at a time");
    }
    ~OneCaller() { context_.busy_ = false; }
    OneCaller(const OneCaller&) = delete;
    OneCaller& operator=(const OneCaller&) = delete;

   private:
    FakeContext& context_;
  };

  static Error unused() { return make_error(ErrorCode::kUnsupported, "not in the fake"); }

  void check(const std::vector<FakeRow>& rows, bool same_length) {
    if (!same_length) model_.breach("spans of different lengths");
    if (rows.empty()) model_.breach("an empty batch");
    if (rows.size() > params_.max_batch_tokens) model_.breach("more rows than max_batch_tokens");
    std::set<std::int32_t> seen;
    std::map<std::int32_t, std::int32_t> next;
    std::uint32_t outputs = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const FakeRow& r = rows[i];
      outputs += r.output ? 1U : 0U;
      if (r.seq < 0 || r.seq >= static_cast<std::int32_t>(sequences_.size())) {
        model_.breach("sequence id out of range");
        return;
      }
      if (i == 0 || rows[i - 1].seq != r.seq) {
        if (!seen.insert(r.seq).second) model_.breach("rows of a sequence are not adjacent");
        next[r.seq] = static_cast<std::int32_t>(sequences_[r.seq].size());
      }
      if (r.position != next[r.seq]) {
        model_.breach("position " + std::to_string(r.position) + ", expected " + std::to_string(next[r.seq]));
      }
      ++next[r.seq];
      if (r.token < 0 || r.token >= static_cast<std::int32_t>(model_.info_.vocab_size))
        model_.breach("token out of range");
      if (r.position >= static_cast<std::int32_t>(model_.info_.max_positions)) model_.breach("position out of range");
    }
    if (outputs > params_.max_output_rows) model_.breach("more output rows than max_output_rows");
    if (seen.size() > 1 && (model_.info_.caps & LLORCH_CAP_MIXED_BATCH) == 0) {
      model_.breach("several sequences in a batch without the capability");
    }
    if (model_.kv_tokens_ + rows.size() > params_.max_tokens) model_.breach("more tokens than the KV cache holds");
  }

  std::optional<Error> act(FakeAction action, const std::vector<FakeRow>& rows) {
    switch (action) {
      case FakeAction::kNoKvSpace:
        return make_error(ErrorCode::kResourceExhausted, "fake: no KV space");
      case FakeAction::kCancelled:
        return make_error(ErrorCode::kCancelled, "fake: cancelled");
      case FakeAction::kDeviceError:
        return make_error(ErrorCode::kIo, "fake: device error");
      case FakeAction::kInternal:
        for (const FakeRow& r : rows) {
          sequences_[r.seq].clear();
        }
        count();
        return make_error(ErrorCode::kInternal, "fake: internal error");
      case FakeAction::kHalfWritten:
        append(rows);
        return make_error(ErrorCode::kInternal, "fake: internal error, rows written");
      case FakeAction::kWaitForCancel: {
        std::unique_lock lock(cancel_mutex_);
        cancel_changed_.wait(lock, [&] { return cancelled_; });
        return make_error(ErrorCode::kCancelled, "fake: cancelled");
      }
      case FakeAction::kThrow:
        throw std::runtime_error("fake: thrown");
      case FakeAction::kCompute:
      case FakeAction::kNan:
      case FakeAction::kWrongRows:
        break;
    }
    const std::lock_guard lock(cancel_mutex_);  // as a plugin that polls once a layer
    if (cancelled_) return make_error(ErrorCode::kCancelled, "fake: cancelled");
    return std::nullopt;
  }

  plugin::Output compute(const std::vector<FakeRow>& rows, FakeAction action) {
    logits_.clear();
    std::uint32_t outputs = 0;
    for (const FakeRow& r : rows) {
      sequences_[r.seq].push_back(r.token);
      if (!r.output) continue;
      const auto row = model_.logits_after(sequences_[r.seq]);
      logits_.insert(logits_.end(), row.begin(), row.end());
      ++outputs;
    }
    count();
    if (action == FakeAction::kNan && !logits_.empty()) logits_.back() = std::numeric_limits<float>::quiet_NaN();
    if (action == FakeAction::kWrongRows && outputs > 0) --outputs;
    return {outputs, model_.info_.vocab_size, logits_.data(), model_.info_.vocab_size};
  }

  void append(const std::vector<FakeRow>& rows) {
    for (const FakeRow& r : rows) {
      sequences_[r.seq].push_back(r.token);
    }
    count();
  }

  void count() {
    std::size_t n = 0;
    for (const auto& s : sequences_) {
      n += s.size();
    }
    model_.kv_tokens_ = n;
  }

  FakeModel& model_;
  plugin::ContextParams params_;
  std::vector<std::vector<std::int32_t>> sequences_;  ///< tokens by position
  std::vector<float> logits_;
  std::atomic<bool> busy_ = false;
  std::mutex cancel_mutex_;
  std::condition_variable cancel_changed_;
  bool cancelled_ = false;
};

FakeModel::FakeModel(std::uint32_t vocab_size, std::uint32_t max_positions, std::uint64_t caps) {
  info_.struct_size = sizeof(info_);
  info_.vocab_size = vocab_size;
  info_.n_layers = 1;
  info_.max_positions = max_positions;
  info_.caps = caps;
  info_.kv_block_tokens = 1;
}

Result<std::unique_ptr<plugin::Context>> FakeModel::create_context(const plugin::ContextParams& params) {
  if (refuse_context) return *refuse_context;
  {
    const std::lock_guard lock(mutex_);
    params_ = params;
  }
  return std::unique_ptr<plugin::Context>(std::make_unique<FakeContext>(*this, params));
}

std::vector<float> FakeModel::logits_after(std::span<const std::int32_t> history) const {
  std::uint64_t hash = history.size();
  for (const std::int32_t token : history) {
    hash = mix(hash ^ static_cast<std::uint64_t>(token));
  }
  std::vector<float> logits(info_.vocab_size);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    logits[i] = static_cast<float>(mix(hash + i) >> 54) / 256.0F;  // 0 .. 4 in steps of 1/256
  }
  if (next_token) logits[static_cast<std::size_t>(next_token(history))] = 50.0F;
  return logits;
}

std::vector<std::string> FakeModel::breaches() const {
  const std::lock_guard lock(mutex_);
  return breaches_;
}

std::vector<std::vector<FakeRow>> FakeModel::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

plugin::ContextParams FakeModel::context_params() const {
  const std::lock_guard lock(mutex_);
  return params_;
}

std::size_t FakeModel::kv_tokens() const {
  return kv_tokens_;
}

void FakeModel::breach(std::string what) {
  const std::lock_guard lock(mutex_);
  breaches_.push_back(std::move(what));
}

}  // namespace llorch::test
