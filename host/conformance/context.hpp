// A context of the plugin under test, and what rules do with it: feed tokens, keep logits, compare states.
#pragma once

#include <llorch/llorch_plugin.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "conformance/subject.hpp"

namespace llorch::conformance {

/// Logits, one vector of vocab_size for each row that asked.
using Logits = std::vector<std::vector<float>>;

/// One row of a batch.
struct Row {
  std::int32_t token, position, seq = 0;
  std::uint32_t flags = LLORCH_OUTPUT_LOGITS;
};

/// Rows of `ids` at `position` and following ones.
[[nodiscard]] std::vector<Row> rows_of(std::span<const std::int32_t> ids, std::int32_t position, std::int32_t seq = 0);

/// Both bytes and length when the plugin says LLORCH_CAP_BATCH_INVARIANT, otherwise equal but for rounding (1e-3 of the
/// largest logit). Broken with the first difference; `what` says what was compared with what.
void require_same(Subject& subject, const Logits& found, const Logits& expected, std::string_view what);

/// All that can be observed of a sequence, to show that a refused operation changed nothing.
struct SequenceState {
  std::int32_t first = -1, last = -1;
  std::vector<unsigned char> saved;  ///< empty without LLORCH_CAP_KV_SAVE
  bool operator==(const SequenceState&) const = default;
};
struct State {
  std::uint32_t free_tokens = 0, used_tokens = 0, n_seqs = 0;
  std::vector<SequenceState> sequences;
  bool operator==(const State&) const = default;
};

class Context {
 public:
  using Observer = std::function<bool(const llorch_tap_event&)>;

  /// `params.struct_size` is set here.
  Context(Subject& subject, Model& model, llorch_context_params params);
  /// Room for `max_tokens` in all, for batches of any size up to that.
  Context(Subject& subject, std::uint32_t max_tokens, std::uint32_t max_seqs = 1, std::uint32_t n_threads = 1);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  [[nodiscard]] llorch_context* handle() const { return handle_; }
  [[nodiscard]] const llorch_plugin_api& api() const { return model_.api(); }

  /// Logits go to `out` unless it is null. Broken: an OK answer whose rows are not those asked for.
  Answer try_forward(std::span<const Row> rows, Logits* out = nullptr);
  /// Broken when it fails.
  Logits forward(std::span<const Row> rows);
  /// Logits of all of `ids`, given in batches of `chunk`.
  Logits feed(std::span<const std::int32_t> ids, std::int32_t position, std::int32_t seq = 0, std::size_t chunk = 4096);

  Answer try_remove(std::int32_t seq, std::int32_t p0, std::int32_t p1);
  Answer try_copy(std::int32_t src, std::int32_t dst, std::int32_t p0 = -1, std::int32_t p1 = -1);
  Answer try_shift(std::int32_t seq, std::int32_t p0, std::int32_t p1, std::int32_t delta);
  Answer try_save(std::int32_t seq, const llorch_writer& writer);
  Answer try_load(std::int32_t seq, const llorch_reader& reader);
  void remove(std::int32_t seq, std::int32_t p0, std::int32_t p1) {
    expect_ok(try_remove(seq, p0, p1), "a range of a sequence");
  }
  void clear(std::int32_t seq) { expect_ok(try_remove(seq, -1, -1), "a whole sequence"); }
  std::pair<std::int32_t, std::int32_t> range(std::int32_t seq);
  /// Broken unless the sequence holds `first` to `last`.
  void require_range(std::int32_t seq, std::int32_t first, std::int32_t last, std::string_view when);
  llorch_kv_usage usage();
  /// Sum of what memory_usage reports; with the model's weights.
  std::uint64_t memory();

  /// An empty observer removes the tap.
  Answer try_tap(std::uint64_t mask, std::int32_t layer_begin, std::int32_t layer_end, Observer observer);

  State state();
  /// Broken unless state() is `before`.
  void require_unchanged(const State& before, std::string_view after);

 private:
  Subject& subject_;
  Model& model_;
  llorch_context* handle_ = nullptr;
  std::uint32_t max_seqs_ = 1;
  Observer observer_;
};

/// Logits of `ids` in one batch in an empty context of its own.
Logits alone(Subject& subject, std::span<const std::int32_t> ids, std::uint32_t n_threads = 1);

/// Adds up what a plugin reports: a llorch_memory_fn whose `user` is a MemorySum.
struct MemorySum {
  std::uint64_t bytes = 0, reports = 0;
  bool too_short = false;  ///< a struct_size that does not reach `bytes`
  static void add(void* user, const llorch_memory* memory);
};

/// A writer and a reader over one buffer that moves at most `step` bytes a call, and ends or fails after `limit`.
struct Stream {
  std::vector<unsigned char> bytes;
  std::uint64_t step = ~std::uint64_t{0};
  std::uint64_t limit = ~std::uint64_t{0};
  std::int64_t at_limit = 0;  ///< 0: end, -1: failure
  std::uint64_t position = 0;

  static std::int64_t write(void* impl, const void* data, std::uint64_t n);
  static std::int64_t read(void* impl, void* out, std::uint64_t n);
  [[nodiscard]] llorch_writer writer() { return {this, &write}; }
  [[nodiscard]] llorch_reader reader() { return {this, &read}; }
};

}  // namespace llorch::conformance
