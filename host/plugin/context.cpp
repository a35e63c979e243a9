// Context over the ABI.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstring>

#include "plugin/boundary.hpp"
#include "plugin/loaded.hpp"

namespace llorch::plugin {

LoadedContext::LoadedContext(std::shared_ptr<const LoadedModel> model, llorch_context* handle)
    : model_(std::move(model)), handle_(handle) {
  model_->plugin().services().watch(handle_, &cancelled_);
}

LoadedContext::~LoadedContext() {
  model_->plugin().services().forget(handle_);  // before another context can come to have this address
  (void)at_boundary(id(), "context_destroy", [&] { return api().context_destroy(handle_), 0; });
}

Result<Output> LoadedContext::forward(std::span<const std::int32_t> tokens, std::span<const std::int32_t> positions,
                                      std::span<const std::int32_t> seq_ids,
                                      std::span<const std::uint32_t> output_flags) {
  if (tokens.size() != positions.size() || tokens.size() != seq_ids.size() || tokens.size() != output_flags.size()) {
    return make_error(
        ErrorCode::kInvalidArgument,
        fmt::format("{}: forward: {} tokens, {} positions, {} seq_ids, {} output_flags: equal counts expected", id(),
                    tokens.size(), positions.size(), seq_ids.size(), output_flags.size()));
  }
  llorch_batch batch{};
  batch.struct_size = sizeof batch;
  batch.n_tokens = static_cast<std::uint32_t>(tokens.size());
  batch.tokens = tokens.data();
  batch.positions = positions.data();
  batch.seq_ids = seq_ids.data();
  batch.output_flags = output_flags.data();
  llorch_output output{};
  output.struct_size = sizeof output;
  const auto done = checked_call(id(), "forward",
                                 [&](llorch_error* error) { return api().forward(handle_, &batch, &output, error); });
  if (tap_failure_) std::rethrow_exception(std::exchange(tap_failure_, nullptr));
  if (!done) return done.error();

  const auto wanted = static_cast<std::uint32_t>(std::count_if(
      output_flags.begin(), output_flags.end(), [](std::uint32_t f) { return (f & LLORCH_OUTPUT_LOGITS) != 0; }));
  const std::uint32_t vocab_size = model_->info().vocab_size;
  if (output.n_rows != wanted || (wanted > 0 && (output.logits == nullptr || output.row_stride < vocab_size))) {
    return make_error(ErrorCode::kInternal,
                      fmt::format("{}: forward gave {} rows of stride {}, expected {} of at least {}", id(),
                                  output.n_rows, output.row_stride, wanted, vocab_size));
  }
  return Output{output.n_rows, vocab_size, output.logits, output.row_stride};
}

Result<void> LoadedContext::kv_seq_remove(std::int32_t seq, std::int32_t p0, std::int32_t p1) {
  return checked_call(id(), "kv_seq_remove",
                      [&](llorch_error* error) { return api().kv_seq_remove(handle_, seq, p0, p1, error); });
}

Result<void> LoadedContext::kv_seq_copy(std::int32_t src, std::int32_t dst, std::int32_t p0, std::int32_t p1) {
  return checked_call(id(), "kv_seq_copy",
                      [&](llorch_error* error) { return api().kv_seq_copy(handle_, src, dst, p0, p1, error); });
}

Result<void> LoadedContext::kv_seq_shift(std::int32_t seq, std::int32_t p0, std::int32_t p1, std::int32_t delta) {
  return checked_call(id(), "kv_seq_shift",
                      [&](llorch_error* error) { return api().kv_seq_shift(handle_, seq, p0, p1, delta, error); });
}

Result<std::optional<std::pair<std::int32_t, std::int32_t>>> LoadedContext::kv_seq_range(std::int32_t seq) {
  std::int32_t first = -1;
  std::int32_t last = -1;
  const auto asked = checked_call(id(), "kv_seq_range", [&](llorch_error* error) {
    return api().kv_seq_range(handle_, seq, &first, &last, error);
  });
  if (!asked) return asked.error();
  if (first < 0) return std::optional<std::pair<std::int32_t, std::int32_t>>{};
  return std::optional(std::pair(first, last));
}

Result<std::vector<std::byte>> LoadedContext::kv_seq_save(std::int32_t seq) {
  std::vector<std::byte> out;
  llorch_writer writer{};
  writer.impl = &out;
  writer.write = [](void* impl, const void* data, std::uint64_t n) -> std::int64_t {
    try {
      auto& bytes = *static_cast<std::vector<std::byte>*>(impl);
      const auto* from = static_cast<const std::byte*>(data);
      bytes.insert(bytes.end(), from, from + n);
      return static_cast<std::int64_t>(n);
    } catch (...) {
      return -1;  // no memory: the plugin reports the failed write
    }
  };
  const auto saved = checked_call(id(), "kv_seq_save",
                                  [&](llorch_error* error) { return api().kv_seq_save(handle_, seq, &writer, error); });
  if (!saved) return saved.error();
  return out;
}

Result<void> LoadedContext::kv_seq_load(std::int32_t seq, std::span<const std::byte> state) {
  llorch_reader reader{};
  reader.impl = &state;
  reader.read = [](void* impl, void* out, std::uint64_t n) -> std::int64_t {
    auto& rest = *static_cast<std::span<const std::byte>*>(impl);
    const std::size_t count = std::min<std::uint64_t>(n, rest.size());
    if (count > 0) std::memcpy(out, rest.data(), count);
    rest = rest.subspan(count);
    return static_cast<std::int64_t>(count);
  };
  return checked_call(id(), "kv_seq_load",
                      [&](llorch_error* error) { return api().kv_seq_load(handle_, seq, &reader, error); });
}

Result<llorch_kv_usage> LoadedContext::kv_usage() {
  llorch_kv_usage usage{};
  usage.struct_size = sizeof usage;
  const auto asked =
      checked_call(id(), "kv_usage", [&](llorch_error* error) { return api().kv_usage(handle_, &usage, error); });
  if (!asked) return asked.error();
  return usage;
}

std::int32_t LoadedContext::on_tensor(void* user, const llorch_tap_event* event) noexcept {
  auto* self = static_cast<LoadedContext*>(user);
  try {
    return self->tap_(*event) ? 0 : 1;
  } catch (...) {
    self->tap_failure_ = std::current_exception();
    return 1;
  }
}

Result<void> LoadedContext::set_tap(std::uint64_t mask, std::int32_t layer_begin, std::int32_t layer_end, TapFn fn) {
  if (!fn) {
    auto removed =
        checked_call(id(), "set_tap", [&](llorch_error* error) { return api().set_tap(handle_, nullptr, error); });
    if (removed) tap_ = nullptr;
    return removed;
  }
  llorch_tap tap{};
  tap.struct_size = sizeof tap;
  tap.mask = mask;
  tap.layer_begin = layer_begin;
  tap.layer_end = layer_end;
  tap.on_tensor = &LoadedContext::on_tensor;
  tap.user = this;
  auto set = checked_call(id(), "set_tap", [&](llorch_error* error) { return api().set_tap(handle_, &tap, error); });
  if (set) tap_ = std::move(fn);
  return set;
}

}  // namespace llorch::plugin
