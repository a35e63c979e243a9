#include "conformance/context.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace llorch::conformance {

std::vector<Row> rows_of(std::span<const std::int32_t> ids, std::int32_t position, std::int32_t seq) {
  std::vector<Row> rows;
  for (const std::int32_t id : ids)
    rows.push_back({id, position++, seq});
  return rows;
}

void require_same(Subject& subject, const Logits& found, const Logits& expected, std::string_view what) {
  require(found.size() == expected.size(), "{}: {} rows of logits, expected {}", what, found.size(), expected.size());
  const bool exact = subject.has(LLORCH_CAP_BATCH_INVARIANT);
  for (std::size_t row = 0; row < found.size(); ++row) {
    float largest = 0;
    for (const float x : expected[row])
      largest = std::max(largest, std::abs(x));
    for (std::size_t i = 0; i < found[row].size(); ++i) {
      const float a = found[row][i];
      const float b = expected[row][i];
      const bool same = exact ? std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b)
                              : std::abs(a - b) <= 1e-3F * largest;
      require(same, "{}: row {}, token {}: {} and {} differ{}", what, row, i, a, b,
              exact ? " (the plugin promises the same bytes: LLORCH_CAP_BATCH_INVARIANT)" : "");
    }
  }
}

Context::Context(Subject& subject, Model& model, llorch_context_params params) : subject_(subject), model_(model) {
  params.struct_size = sizeof params;
  if (params.kv_dtype_k == 0) params.kv_dtype_k = subject.target().kv_dtype_k;
  if (params.kv_dtype_v == 0) params.kv_dtype_v = subject.target().kv_dtype_v;
  max_seqs_ = std::max(params.max_seqs, 1U);
  const Answer answer = ask("context_create", [&](llorch_error* error) {
    return model_.api().context_create(model_.handle(), &params, &handle_, error);
  });
  expect_ok(answer, fmt::format("{} tokens, {} sequences", params.max_tokens, max_seqs_));
  require(handle_ != nullptr, "context_create answered OK without a context");
}

Context::Context(Subject& subject, std::uint32_t max_tokens, std::uint32_t max_seqs, std::uint32_t n_threads)
    : Context(subject, subject.model(),
              llorch_context_params{0, max_tokens, max_seqs, max_tokens, max_tokens, n_threads, 0, 0}) {}

Context::~Context() {
  model_.api().context_destroy(handle_);
}

Answer Context::try_forward(std::span<const Row> rows, Logits* out) {
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> positions;
  std::vector<std::int32_t> seqs;
  std::vector<std::uint32_t> flags;
  std::uint32_t wanted = 0;
  for (const Row& row : rows) {
    tokens.push_back(row.token);
    positions.push_back(row.position);
    seqs.push_back(row.seq);
    flags.push_back(row.flags);
    wanted += row.flags & LLORCH_OUTPUT_LOGITS;
  }
  const llorch_batch batch{sizeof batch,  static_cast<std::uint32_t>(rows.size()),
                           tokens.data(), positions.data(),
                           seqs.data(),   flags.data()};
  llorch_output output{};
  output.struct_size = sizeof output;
  Answer answer = ask("forward", [&](llorch_error* error) { return api().forward(handle_, &batch, &output, error); });
  if (!answer.ok()) return answer;
  const std::uint32_t width = model_.info().vocab_size;
  require(output.n_rows == wanted, "forward gave {} rows of logits, expected {}", output.n_rows, wanted);
  require(wanted == 0 || (output.logits != nullptr && output.row_stride >= width),
          "forward gave {} logits with a row_stride of {}, expected at least vocab_size {}",
          output.logits == nullptr ? "no" : "some", output.row_stride, width);
  if (out != nullptr) {
    out->clear();
    for (std::uint32_t row = 0; row < wanted; ++row) {
      const float* begin = output.logits + row * output.row_stride;
      out->emplace_back(begin, begin + width);
    }
  }
  return answer;
}

Logits Context::forward(std::span<const Row> rows) {
  Logits out;
  expect_ok(try_forward(rows, &out), fmt::format("{} rows from position {} of sequence {}", rows.size(),
                                                 rows.empty() ? 0 : rows[0].position, rows.empty() ? 0 : rows[0].seq));
  return out;
}

Logits Context::feed(std::span<const std::int32_t> ids, std::int32_t position, std::int32_t seq, std::size_t chunk) {
  Logits out;
  for (std::size_t begin = 0; begin < ids.size(); begin += chunk) {
    const auto part = ids.subspan(begin, std::min(chunk, ids.size() - begin));
    for (auto& row : forward(rows_of(part, position + static_cast<std::int32_t>(begin), seq)))
      out.push_back(std::move(row));
  }
  return out;
}

Answer Context::try_remove(std::int32_t seq, std::int32_t p0, std::int32_t p1) {
  return ask("kv_seq_remove", [&](llorch_error* error) { return api().kv_seq_remove(handle_, seq, p0, p1, error); });
}
Answer Context::try_copy(std::int32_t src, std::int32_t dst, std::int32_t p0, std::int32_t p1) {
  return ask("kv_seq_copy", [&](llorch_error* error) { return api().kv_seq_copy(handle_, src, dst, p0, p1, error); });
}
Answer Context::try_shift(std::int32_t seq, std::int32_t p0, std::int32_t p1, std::int32_t delta) {
  return ask("kv_seq_shift",
             [&](llorch_error* error) { return api().kv_seq_shift(handle_, seq, p0, p1, delta, error); });
}
Answer Context::try_save(std::int32_t seq, const llorch_writer& writer) {
  return ask("kv_seq_save", [&](llorch_error* error) { return api().kv_seq_save(handle_, seq, &writer, error); });
}
Answer Context::try_load(std::int32_t seq, const llorch_reader& reader) {
  return ask("kv_seq_load", [&](llorch_error* error) { return api().kv_seq_load(handle_, seq, &reader, error); });
}

std::pair<std::int32_t, std::int32_t> Context::range(std::int32_t seq) {
  std::int32_t first = -2;
  std::int32_t last = -2;
  expect_ok(
      ask("kv_seq_range", [&](llorch_error* error) { return api().kv_seq_range(handle_, seq, &first, &last, error); }),
      fmt::format("sequence {}", seq));
  return {first, last};
}

void Context::require_range(std::int32_t seq, std::int32_t first, std::int32_t last, std::string_view when) {
  const auto found = range(seq);
  require(found == std::pair(first, last), "kv_seq_range of sequence {} {}: expected {} to {}, found {} to {}", seq,
          when, first, last, found.first, found.second);
}

llorch_kv_usage Context::usage() {
  llorch_kv_usage out{};
  out.struct_size = sizeof out;
  expect_ok(ask("kv_usage", [&](llorch_error* error) { return api().kv_usage(handle_, &out, error); }), "a context");
  return out;
}

std::uint64_t Context::memory() {
  MemorySum sum;
  expect_ok(ask("memory_usage",
                [&](llorch_error* error) {
                  return api().memory_usage(model_.handle(), handle_, &MemorySum::add, &sum, error);
                }),
            "model and context");
  return sum.bytes;
}

Answer Context::try_tap(std::uint64_t mask, std::int32_t layer_begin, std::int32_t layer_end, Observer observer) {
  llorch_tap tap{};
  tap.struct_size = sizeof tap;
  tap.mask = mask;
  tap.layer_begin = layer_begin;
  tap.layer_end = layer_end;
  tap.user = this;
  tap.on_tensor = [](void* user, const llorch_tap_event* event) -> std::int32_t {
    return static_cast<Context*>(user)->observer_(*event) ? 0 : 1;
  };
  const bool remove = !observer;
  Answer answer =
      ask("set_tap", [&](llorch_error* error) { return api().set_tap(handle_, remove ? nullptr : &tap, error); });
  if (answer.ok()) observer_ = std::move(observer);
  return answer;
}

State Context::state() {
  const llorch_kv_usage now = usage();
  State out{now.free_tokens, now.used_tokens, now.n_seqs, {}};
  const bool saves = subject_.has(LLORCH_CAP_KV_SAVE);
  for (std::uint32_t i = 0; i < max_seqs_; ++i) {
    const auto seq = static_cast<std::int32_t>(i);
    SequenceState sequence;
    std::tie(sequence.first, sequence.last) = range(seq);
    if (saves) {
      Stream stream;
      expect_ok(try_save(seq, stream.writer()), "a whole sequence");
      sequence.saved = std::move(stream.bytes);
    }
    out.sequences.push_back(std::move(sequence));
  }
  return out;
}

void Context::require_unchanged(const State& before, std::string_view after) {
  const State now = state();
  require(now.used_tokens == before.used_tokens && now.free_tokens == before.free_tokens && now.n_seqs == before.n_seqs,
          "after {}: {} tokens used and {} free in {} sequences, before it {}, {} and {}", after, now.used_tokens,
          now.free_tokens, now.n_seqs, before.used_tokens, before.free_tokens, before.n_seqs);
  for (std::size_t i = 0; i < now.sequences.size(); ++i) {
    const SequenceState& a = now.sequences[i];
    const SequenceState& b = before.sequences[i];
    require(a.first == b.first && a.last == b.last, "after {}: sequence {} holds {} to {}, before it {} to {}", after,
            i, a.first, a.last, b.first, b.last);
    require(a.saved == b.saved, "after {}: the saved state of sequence {} is another one than before", after, i);
  }
}

Logits alone(Subject& subject, std::span<const std::int32_t> ids, std::uint32_t n_threads) {
  Context context(subject, static_cast<std::uint32_t>(ids.size()), 1, n_threads);
  return context.feed(ids, 0);
}

void MemorySum::add(void* user, const llorch_memory* memory) {
  auto& sum = *static_cast<MemorySum*>(user);
  ++sum.reports;
  if (memory == nullptr || !LLORCH_HAS(memory, llorch_memory, bytes)) {
    sum.too_short = true;
  } else {
    sum.bytes += memory->bytes;
  }
}

std::int64_t Stream::write(void* impl, const void* data, std::uint64_t n) {
  auto& self = *static_cast<Stream*>(impl);
  if (self.bytes.size() >= self.limit) return self.at_limit;
  const std::uint64_t count = std::min({n, self.step, self.limit - self.bytes.size()});
  const auto* from = static_cast<const unsigned char*>(data);
  self.bytes.insert(self.bytes.end(), from, from + count);
  return static_cast<std::int64_t>(count);
}

std::int64_t Stream::read(void* impl, void* out, std::uint64_t n) {
  auto& self = *static_cast<Stream*>(impl);
  const std::uint64_t end = std::min<std::uint64_t>(self.limit, self.bytes.size());
  if (self.position >= end) return self.position >= self.limit ? self.at_limit : 0;
  const std::uint64_t count = std::min({n, self.step, end - self.position});
  std::memcpy(out, self.bytes.data() + self.position, count);
  self.position += count;
  return static_cast<std::int64_t>(count);
}

}  // namespace llorch::conformance
