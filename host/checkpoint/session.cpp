#include "checkpoint/session.hpp"

#include <algorithm>
#include <cstring>

#include "sampling/sampler.hpp"

namespace llorch::checkpoint {

void TapRecord::add(const llorch_tap_event& event) {
  Event copy;
  copy.flags = event.flags;
  std::uint64_t count = 1;
  for (std::uint32_t i = 0; i < std::min<std::uint32_t>(event.n_dims, 4); ++i) {
    copy.tensor.dims.push_back(event.dims[i]);
    count *= event.dims[i];
  }
  if (event.dtype == LLORCH_DTYPE_F32 && event.data != nullptr) {
    copy.tensor.values.resize(count);
    if (count > 0) std::memcpy(copy.tensor.values.data(), event.data, count * sizeof(float));
  }
  if (event.rows != nullptr && !copy.tensor.dims.empty()) {
    const std::size_t axis = event.tap == LLORCH_TAP_SCORES && copy.tensor.dims.size() > 1 ? 1 : 0;
    copy.rows.assign(event.rows, event.rows + copy.tensor.dims[axis]);
  }
  events_[{event.tap, event.layer}].push_back(std::move(copy));
}

std::span<const TapRecord::Event> TapRecord::all(std::uint32_t tap, std::int32_t layer) const {
  const auto found = events_.find({tap, layer});
  if (found == events_.end()) return {};
  return found->second;
}

const TapRecord::Event* TapRecord::only(std::uint32_t tap, std::int32_t layer) const {
  const auto found = all(tap, layer);
  return found.size() == 1 ? found.data() : nullptr;
}

Result<Rows> feed(plugin::Context& context, std::span<const std::int32_t> ids, std::int32_t first_position,
                  Wanted wanted, std::int32_t seq, std::uint32_t chunk) {
  Rows out;
  std::vector<std::int32_t> positions;
  std::vector<std::int32_t> seq_ids;
  std::vector<std::uint32_t> flags;
  for (std::size_t begin = 0; begin < ids.size(); begin += chunk) {
    const std::size_t count = std::min<std::size_t>(chunk, ids.size() - begin);
    positions.clear();
    for (std::size_t i = 0; i < count; ++i)
      positions.push_back(first_position + static_cast<std::int32_t>(begin + i));
    seq_ids.assign(count, seq);
    constexpr std::uint32_t kLogits = LLORCH_OUTPUT_LOGITS;
    flags.assign(count, wanted == Wanted::kAll ? kLogits : 0U);
    if (wanted == Wanted::kLast && begin + count == ids.size()) flags.back() = kLogits;
    const auto output = context.forward(ids.subspan(begin, count), positions, seq_ids, flags);
    if (!output) return output.error();
    for (std::uint32_t row = 0; row < output->n_rows; ++row) {
      const auto logits = output->row(row);
      out.emplace_back(logits.begin(), logits.end());
    }
  }
  return out;
}

Result<TapRecord> record_taps(plugin::Context& context, const llorch_model_info& info,
                              std::span<const std::int32_t> ids) {
  TapRecord record;
  auto set =
      context.set_tap(info.taps, 0, static_cast<std::int32_t>(info.n_layers), [&](const llorch_tap_event& event) {
        record.add(event);
        return true;
      });
  if (!set) return set.error();
  const auto fed = feed(context, ids, 0, Wanted::kAll);
  if (auto removed = context.set_tap(0, 0, 0, nullptr); !removed) return removed.error();
  if (!fed) return fed.error();
  return record;
}

Result<std::vector<std::int32_t>> decode_greedily(plugin::Context& context, std::span<const std::int32_t> prompt,
                                                  std::size_t count) {
  std::vector<std::int32_t> out;
  auto rows = feed(context, prompt, 0, Wanted::kLast);
  while (rows && out.size() < count) {
    if (auto sound = sampling::check_logits(rows->back()); !sound) return sound.error();
    out.push_back(sampling::argmax(rows->back()));
    if (out.size() == count) break;
    const auto position = static_cast<std::int32_t>(prompt.size() + out.size() - 1);
    rows = feed(context, std::span(out).last(1), position, Wanted::kLast);
  }
  if (!rows) return rows.error();
  return out;
}

}  // namespace llorch::checkpoint
