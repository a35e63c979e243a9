// K-29 to K-31: saved states, through streams that move few bytes, end early, fail, or bring damaged bytes.
#include <algorithm>

#include "conformance/context.hpp"

namespace llorch::conformance {
namespace {

std::size_t size_of(std::int32_t n) {
  return static_cast<std::size_t>(n);
}

Stream saved(Context& context, std::int32_t seq, std::uint64_t step = ~std::uint64_t{0}) {
  Stream stream;
  stream.step = step;
  expect_ok(context.try_save(seq, stream.writer()), fmt::format("sequence {}", seq));
  return stream;
}

/// Positions within a state to cut or damage: all of the first ones, some of the others.
std::vector<std::size_t> places(std::size_t size) {
  std::vector<std::size_t> out;
  const std::size_t step = std::max<std::size_t>(61, size / 200);
  for (std::size_t at = 0; at < size; at += at < 160 ? 1 : step)
    out.push_back(at);
  if (size > 0) out.push_back(size - 1);
  return out;
}

void loads_what_it_saved(Subject& subject) {
  const std::int32_t length = subject.length();
  const std::int32_t half = length / 2;
  const auto ids = subject.ids(size_of(length));
  Context context(subject, static_cast<std::uint32_t>(length));
  if (!subject.has(LLORCH_CAP_KV_SAVE)) {
    Stream stream;
    expect(context.try_save(0, stream.writer()), {LLORCH_UNSUPPORTED}, "without LLORCH_CAP_KV_SAVE");
    expect(context.try_load(0, stream.reader()), {LLORCH_UNSUPPORTED}, "without LLORCH_CAP_KV_SAVE");
    throw NotApplicable("the plugin does not offer LLORCH_CAP_KV_SAVE for this model");
  }
  const Logits whole = alone(subject, ids);
  const Logits rest(whole.begin() + half, whole.end());
  context.feed(std::span(ids).first(size_of(half)), 0);
  const Stream reference = saved(context, 0);
  require(!reference.bytes.empty(), "kv_seq_save wrote nothing for a sequence of {} tokens", half);
  for (const std::uint64_t step : {1, 7, 4096}) {
    Stream stream = saved(context, 0, step);
    require(stream.bytes == reference.bytes, "a writer that takes {} bytes at a time got another state", step);
    const std::size_t size = stream.bytes.size();
    stream.bytes.insert(stream.bytes.end(), 40, 0xEE);  // what follows in the stream is not the plugin's
    const bool several = subject.has(LLORCH_CAP_MULTI_SEQ);
    Context other(subject, static_cast<std::uint32_t>(2 * (length + 64)), several ? 2 : 1);
    const std::int32_t seq = several ? 1 : 0;
    other.feed(subject.ids(3, 7), 0, seq);  // replaced by the state
    expect_ok(other.try_load(seq, stream.reader()), fmt::format("a reader that gives {} bytes at a time", step));
    require(stream.position == size, "kv_seq_load read {} bytes of a state of {}", stream.position, size);
    other.require_range(seq, 0, half - 1, "after a load");
    require_same(subject, other.feed(std::span(ids).subspan(size_of(half)), half, seq), rest,
                 "after a load into another context against the sequence it was saved from");
  }
  Context empty(subject, 32);
  Stream nothing = saved(empty, 0);
  expect_ok(context.try_load(0, nothing.reader()), "the state of an empty sequence");
  context.require_range(0, -1, -1, "after the state of an empty sequence was loaded");
}

void refuses_damaged_states(Subject& subject) {
  subject.needs(LLORCH_CAP_KV_SAVE, "LLORCH_CAP_KV_SAVE");
  Context context(subject, 64);
  context.feed(subject.ids(4), 0);
  const Stream whole = saved(context, 0);
  context.feed(subject.ids(3, 1), 4);
  const State before = context.state();
  for (const std::size_t size : places(whole.bytes.size())) {
    Stream cut = whole;
    cut.bytes.resize(size);
    const std::string what = fmt::format("a state cut to {} of {} bytes", size, whole.bytes.size());
    expect(context.try_load(0, cut.reader()), {LLORCH_BAD_STATE}, what);
    context.require_unchanged(before, what);
  }
  for (const std::size_t at : places(whole.bytes.size())) {
    for (const unsigned bit : {0U, 7U}) {
      Stream damaged = whole;
      damaged.bytes[at] ^= static_cast<unsigned char>(1U << bit);
      const std::string what = fmt::format("a state with bit {} of byte {} flipped", bit, at);
      // A length that grew may also ask for more room than there is.
      expect(context.try_load(0, damaged.reader()), {LLORCH_BAD_STATE, LLORCH_NO_KV_SPACE}, what);
      context.require_unchanged(before, what);
    }
  }
}

void reports_failing_streams(Subject& subject) {
  subject.needs(LLORCH_CAP_KV_SAVE, "LLORCH_CAP_KV_SAVE");
  Context context(subject, 64);
  context.feed(subject.ids(4), 0);
  const Stream whole = saved(context, 0);
  context.feed(subject.ids(3, 1), 4);
  const State before = context.state();
  for (const std::size_t limit : places(saved(context, 0).bytes.size())) {
    for (const std::int64_t at_limit : {0, -1}) {
      Stream stream;
      stream.step = 64;
      stream.limit = limit;
      stream.at_limit = at_limit;
      expect(context.try_save(0, stream.writer()), {LLORCH_DEVICE_ERROR},
             fmt::format("a writer that {} after {} bytes", at_limit == 0 ? "ends" : "fails", limit));
    }
  }
  context.require_unchanged(before, "writers that failed");
  for (const std::size_t limit : places(whole.bytes.size())) {
    Stream stream = whole;
    stream.step = 50;
    stream.limit = limit;
    stream.at_limit = -1;
    const std::string what = fmt::format("a reader that fails after {} bytes", limit);
    expect(context.try_load(0, stream.reader()), {LLORCH_DEVICE_ERROR}, what);
    context.require_unchanged(before, what);
  }
}

}  // namespace

std::span<const Rule> state_rules() {
  static constexpr Rule kRules[] = {
      {"K-29", "a saved state continues elsewhere with the same numbers, whatever the streams' pace",
       "Prefixes can be kept on disk and moved.", Stage::kRunning, &loads_what_it_saved},
      {"K-30", "a damaged or cut state is BAD_STATE and changes nothing", "A bad file cannot become a wrong answer.",
       Stage::kRunning, &refuses_damaged_states},
      {"K-31", "a stream that fails is DEVICE_ERROR and changes nothing", "A full disk is an error in words.",
       Stage::kRunning, &reports_failing_streams},
  };
  return kRules;
}

}  // namespace llorch::conformance
