// One step of the engine: plan a batch, compute it, hand out its logits, and what happens when that fails.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "engine/engine_impl.hpp"

namespace llorch::engine {
namespace {

constexpr std::uint32_t kFailedStepsUntilLost = 2;

}  // namespace

void EngineImpl::step() {
  ready_.clear();
  for (const SequencePtr& s : active_) {
    if (!s->finished() && !s->cancelled) ready_.push_back(s);
  }
  if (ready_.empty()) return;
  device_failed_ = computed_ = false;
  forward(ready_);
  // One request may upset a device; when nothing works any more, step after step, it is lost.
  if (computed_) {
    failed_steps_ = 0;
  } else if (device_failed_ && ++failed_steps_ >= kFailedStepsUntilLost) {
    lose_health("the model's device has failed");
  }
}

void EngineImpl::forward(std::span<const SequencePtr> sequences) {
  plan_batch(sequences, setup_.limits, turn_, batch_);
  if (!begin_forward()) return;
  auto output = setup_.context->forward(batch_.tokens, batch_.positions, batch_.seq_ids, batch_.output_flags);
  end_forward();
  if (output) {
    computed_ = true;
    spurious_cancellations_ = 0;
    deliver(*output);
    return;
  }
  if (output.error().code != ErrorCode::kCancelled) {
    forward_failed(output.error());
    return;
  }
  // Nothing changed: the next step computes the batch again without those who left.
  const bool expected =
      std::any_of(batch_.parts.begin(), batch_.parts.end(), [](const auto& p) { return p.sequence->cancelled.load(); });
  if (!expected && ++spurious_cancellations_ > 1) {
    forward_failed(make_error(ErrorCode::kInternal, "the plugin cancelled a forward pass that nobody cancelled"));
  }
}

bool EngineImpl::begin_forward() {
  const std::lock_guard lock(mutex_);
  for (const Batch::Part& p : batch_.parts) {
    if (p.sequence->cancelled) return false;
  }
  for (const Batch::Part& p : batch_.parts) {
    p.sequence->in_batch = true;
  }
  setup_.context->set_cancelled(false);
  return true;
}

void EngineImpl::end_forward() {
  const std::lock_guard lock(mutex_);
  for (const Batch::Part& p : batch_.parts) {
    p.sequence->in_batch = false;
  }
}

void EngineImpl::deliver(const plugin::Output& output) {
  const std::uint32_t vocab_size = setup_.model->info().vocab_size;
  if (output.n_rows != batch_.n_outputs || (output.n_rows > 0 && output.vocab_size != vocab_size)) {
    const Error error = make_error(
        ErrorCode::kInternal, fmt::format("the plugin returned logits of {} rows and {} tokens, expected {} and {}",
                                          output.n_rows, output.vocab_size, batch_.n_outputs, vocab_size));
    for (const Batch::Part& p : batch_.parts) {
      p.sequence->finish(StopReason::kError, error);
    }
    return;
  }
  std::uint32_t row = 0;      // of the output
  std::size_t batch_row = 0;  // of the batch
  for (const Batch::Part& p : batch_.parts) {
    Sequence& s = *p.sequence;
    const std::uint32_t first = s.fed;
    s.fed += p.n_rows;
    const std::uint32_t generated = s.generated();
    for (std::uint32_t i = 0; i < p.n_rows; ++i) {
      if (batch_.output_flags[batch_row++] == 0) continue;
      if (!s.cancelled) s.take_logits(first + i, output.row(row), setup_.context_length);
      ++row;
    }
    if (!s.cancelled) s.after_step();
    generation_tokens_ += s.generated() - generated;
  }
}

void EngineImpl::forward_failed(const Error& error) {
  spdlog::warn("engine: forward pass of {} rows in {} sequences failed: {}", batch_.tokens.size(), batch_.parts.size(),
               error.message);
  if (error.code == ErrorCode::kIo) device_failed_ = true;
  if (error.code == ErrorCode::kResourceExhausted) {
    // Nothing changed. What idle slots keep for reuse is the first to go; the next step tries again.
    auto evicted = slots_.evict_idle();
    if (!evicted) return lose_health("KV cache: " + evicted.error().message);
    if (*evicted) return;
  } else {
    repair();
  }
  if (batch_.parts.size() == 1) {
    batch_.parts.front().sequence->finish(StopReason::kError, error);
  } else {
    retry_one_by_one();
  }
}

void EngineImpl::repair() {
  for (const Batch::Part& p : batch_.parts) {
    Sequence& s = *p.sequence;
    const auto slot = static_cast<std::int32_t>(s.slot);
    auto range = setup_.context->kv_seq_range(slot);
    if (!range) {
      s.finish(StopReason::kError, range.error());
      continue;
    }
    const auto fed = static_cast<std::int32_t>(s.fed);
    const std::int32_t end = range->has_value() ? (*range)->second + 1 : 0;
    if (end == 0) {
      s.fed = 0;  // lost, as the ABI allows: computed again from the tokens, bit for bit
    } else if (end < fed) {
      s.finish(StopReason::kError, make_error(ErrorCode::kInternal,
                                              fmt::format("KV cache of sequence {}: expected {} tokens or none after a "
                                                          "failed forward pass, found {}",
                                                          slot, fed, end)));
    } else if (end > fed) {
      if (auto ok = setup_.context->kv_seq_remove(slot, fed, end); !ok) s.finish(StopReason::kError, ok.error());
    }
  }
}

void EngineImpl::retry_one_by_one() {
  // Who made the batch fail shows when each runs alone: those who fail again end, the others lose nothing.
  std::vector<SequencePtr> suspects;
  for (const Batch::Part& p : batch_.parts) {
    suspects.push_back(p.sequence);
  }
  for (const SequencePtr& s : suspects) {
    if (!s->finished() && !s->cancelled) forward(std::span(&s, 1));
  }
}

}  // namespace llorch::engine
