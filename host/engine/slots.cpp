#include "engine/slots.hpp"

#include <algorithm>
#include <optional>

namespace llorch::engine {

Slots::Slots(plugin::Context& context, std::uint32_t count, bool reuse)
    : context_(&context), reuse_(reuse), slots_(count), n_idle_(count) {}

Result<Slots::Lease> Slots::acquire(std::span<const std::int32_t> prompt, bool may_reuse) {
  std::optional<std::uint32_t> best;
  std::uint32_t best_shared = 0;
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    const Slot& s = slots_[i];
    if (s.taken) continue;
    std::uint32_t shared = 0;
    if (reuse_ && may_reuse) {
      const auto end = std::mismatch(s.held.begin(), s.held.end(), prompt.begin(), prompt.end()).first;
      shared =
          std::min(static_cast<std::uint32_t>(end - s.held.begin()), static_cast<std::uint32_t>(prompt.size()) - 1);
      if (shared < kMinReuse) shared = 0;
    }
    if (!best || shared > best_shared || (shared == best_shared && s.last_use < slots_[*best].last_use)) {
      best = i;
      best_shared = shared;
    }
  }
  if (!best) return make_error(ErrorCode::kInternal, "slots: expected an idle one, found none");
  if (auto ok = truncate(*best, best_shared); !ok) return ok.error();
  slots_[*best].taken = true;
  --n_idle_;
  return Lease{*best, best_shared};
}

Result<void> Slots::release(std::uint32_t slot, std::span<const std::int32_t> held, bool keep) {
  Slot& s = slots_[slot];
  s.taken = false;
  s.last_use = ++clock_;
  ++n_idle_;
  s.held.assign(held.begin(), held.end());
  return keep && reuse_ ? Result<void>{} : truncate(slot, 0);
}

Result<void> Slots::reset(std::uint32_t slot) {
  Slot& s = slots_[slot];
  s.taken = false;
  s.last_use = ++clock_;
  ++n_idle_;
  s.held.clear();
  auto range = context_->kv_seq_range(static_cast<std::int32_t>(slot));
  if (!range) return range.error();
  if (!range->has_value()) return {};
  return context_->kv_seq_remove(static_cast<std::int32_t>(slot), 0, (*range)->second + 1);
}

Result<bool> Slots::evict_idle() {
  bool any = false;
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].taken || slots_[i].held.empty()) continue;
    any = true;
    if (auto ok = truncate(i, 0); !ok) return ok.error();
  }
  return any;
}

Result<void> Slots::truncate(std::uint32_t slot, std::uint32_t size) {
  Slot& s = slots_[slot];
  const auto held = static_cast<std::uint32_t>(s.held.size());
  if (size >= held) return {};
  s.held.resize(size);
  return context_->kv_seq_remove(static_cast<std::int32_t>(slot), static_cast<std::int32_t>(size),
                                 static_cast<std::int32_t>(held));
}

}  // namespace llorch::engine
