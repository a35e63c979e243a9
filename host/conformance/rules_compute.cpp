// K-32 to K-36: the same work gives the same numbers, however it is cut, mixed, watched or spread over threads.
#include <algorithm>
#include <cmath>

#include "conformance/context.hpp"

namespace llorch::conformance {
namespace {

constexpr std::uint64_t kTapsWithLayer =
    ~(1ULL << LLORCH_TAP_EMBED | 1ULL << LLORCH_TAP_FINAL_NORM | 1ULL << LLORCH_TAP_LOGITS);

void gives_the_rows_asked_for(Subject& subject) {
  const auto ids = subject.ids(7);
  const Logits whole = alone(subject, ids);
  for (const unsigned mask : {0U, 1U, 64U, 9U, 85U, 127U}) {
    Context context(subject, 16);
    auto rows = rows_of(ids, 0);
    Logits expected;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      rows[i].flags = (mask >> i & 1U) != 0 ? LLORCH_OUTPUT_LOGITS : 0;
      if (rows[i].flags != 0) expected.push_back(whole[i]);
    }
    require_same(subject, context.forward(rows), expected, fmt::format("rows {:#b} of a batch against all", mask));
  }
}

void prefills_as_it_decodes(Subject& subject) {
  const auto ids = subject.ids(static_cast<std::size_t>(subject.length()));
  const Logits whole = alone(subject, ids);
  for (const std::size_t chunk : {1UL, 2UL, 5UL, ids.size() - 1}) {
    Context context(subject, static_cast<std::uint32_t>(ids.size()));
    require_same(subject, context.feed(ids, 0, 0, chunk), whole,
                 fmt::format("{} tokens at a time against all at once", chunk));
  }
}

void batches_without_mixing(Subject& subject) {
  subject.needs(LLORCH_CAP_MULTI_SEQ | LLORCH_CAP_MIXED_BATCH, "LLORCH_CAP_MULTI_SEQ and LLORCH_CAP_MIXED_BATCH");
  // A prefill, a decode in the middle of a sequence, and a single first token, in one batch and in any order.
  const auto prompt = subject.ids(9, 1);
  const auto running = subject.ids(6, 2);
  const auto single = subject.ids(1, 3);
  const Logits prompt_alone = alone(subject, prompt);
  const Logits running_alone = alone(subject, running);
  const Logits single_alone = alone(subject, single);
  const std::vector<std::vector<std::int32_t>> orders = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}};
  for (const auto& order : orders) {
    Context context(subject, 256, 3);
    context.feed(std::span(running).first(5), 0, 1);
    std::vector<Row> rows;
    Logits expected;
    const auto add = [&](const std::vector<Row>& more, Logits::const_iterator begin, Logits::const_iterator end) {
      rows.insert(rows.end(), more.begin(), more.end());
      expected.insert(expected.end(), begin, end);
    };
    for (const std::int32_t seq : order) {
      if (seq == 0) add(rows_of(prompt, 0, 0), prompt_alone.begin(), prompt_alone.end());
      if (seq == 1) add(rows_of(std::span(running).subspan(5), 5, 1), running_alone.begin() + 5, running_alone.end());
      if (seq == 2) add(rows_of(single, 0, 2), single_alone.begin(), single_alone.end());
    }
    require_same(subject, context.forward(rows), expected,
                 fmt::format("sequences {}, {}, {} in one batch against each alone", order[0], order[1], order[2]));
  }
}

void check_event(const llorch_tap_event& event, const llorch_model_info& info, std::size_t n_rows) {
  require(LLORCH_HAS(&event, llorch_tap_event, rows), "a tap event of {} bytes does not reach `rows`",
          event.struct_size);
  require(event.tap < 64 && (info.taps >> event.tap & 1U) != 0, "tap {} was shown, llorch_model_info.taps lacks it",
          event.tap);
  const bool in_layer = (kTapsWithLayer >> event.tap & 1U) != 0;
  require(in_layer ? event.layer >= 0 && event.layer < static_cast<std::int32_t>(info.n_layers) : event.layer == -1,
          "tap {}: layer {}", event.tap, event.layer);
  require(event.dtype == LLORCH_DTYPE_F32 && event.data != nullptr && event.n_dims >= 1 && event.n_dims <= 4,
          "tap {}: type {:#x}, {} dimensions, {} data", event.tap, event.dtype, event.n_dims,
          event.data == nullptr ? "no" : "with");
  const std::uint64_t rows = event.dims[event.tap == LLORCH_TAP_SCORES ? 1 : 0];
  require(rows >= 1 && rows <= n_rows, "tap {}: {} rows of a batch of {}", event.tap, rows, n_rows);
  for (std::uint64_t i = 0; event.rows != nullptr && i < rows; ++i) {
    require(event.rows[i] < n_rows && (i == 0 || event.rows[i] > event.rows[i - 1]),
            "tap {}: the row numbers are not ascending rows of the batch", event.tap);
  }
}

void is_unmoved_by_taps(Subject& subject) {
  const llorch_model_info info = subject.probe();
  if (info.taps == 0) throw NotApplicable("the plugin has no taps");
  const auto ids = subject.ids(static_cast<std::size_t>(subject.length()));
  const Logits untapped = alone(subject, ids);
  Context context(subject, static_cast<std::uint32_t>(ids.size()));
  std::uint64_t seen = 0;
  Logits shown;
  expect_ok(context.try_tap(info.taps, 0, static_cast<std::int32_t>(info.n_layers),
                            [&](const llorch_tap_event& event) {
                              check_event(event, info, ids.size());
                              seen |= std::uint64_t{1} << event.tap;
                              if (event.tap != LLORCH_TAP_LOGITS) return true;
                              const auto* values = static_cast<const float*>(event.data);
                              for (std::uint64_t row = 0; row < event.dims[0]; ++row)
                                shown.emplace_back(values + row * event.dims[1], values + (row + 1) * event.dims[1]);
                              return true;
                            }),
            "all taps");
  const auto with_taps = context.feed(ids, 0);
  require(seen == info.taps, "taps {:#x} are offered, {:#x} were shown", info.taps, seen);
  require(with_taps == untapped, "logits with taps are not the bytes of logits without");
  if ((info.taps >> LLORCH_TAP_LOGITS & 1U) != 0) {
    require(shown == with_taps, "the logits that the tap shows are not the ones that forward gives");
  }
  expect_ok(context.try_tap(0, 0, 0, nullptr), "none");
  seen = 0;
  context.clear(0);
  require(context.feed(ids, 0) == untapped, "logits after taps were removed are not the bytes of those without");
  require(seen == 0, "tensors were shown after the taps had been removed");
}

void is_unmoved_by_threads(Subject& subject) {
  const auto ids = subject.ids(static_cast<std::size_t>(subject.length()));
  const Logits one = alone(subject, ids);
  for (const std::uint32_t threads : {1U, 2U, 3U, 7U}) {
    require_same(subject, alone(subject, ids, threads), one, fmt::format("{} threads against one", threads));
  }
}

}  // namespace

std::span<const Rule> compute_rules() {
  static constexpr Rule kRules[] = {
      {"K-32", "logits come for the rows that ask, in the order of the batch", "Each request samples from its own row.",
       Stage::kRunning, &gives_the_rows_asked_for},
      {"K-33", "a prompt at once gives what it gives token by token", "Chunking of prompts does not change answers.",
       Stage::kRunning, &prefills_as_it_decodes},
      {"K-34", "sequences in one batch give what each gives alone", "Neighbours do not change answers.",
       Stage::kRunning, &batches_without_mixing},
      {"K-35", "taps show well-formed tensors and change no byte", "What checkpoints look at is what serves.",
       Stage::kRunning, &is_unmoved_by_taps},
      {"K-36", "the number of threads does not change the numbers", "Answers do not depend on the machine's load.",
       Stage::kRunning, &is_unmoved_by_threads},
  };
  return kRules;
}

}  // namespace llorch::conformance
