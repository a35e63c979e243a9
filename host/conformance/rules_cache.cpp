// K-26 to K-28: what the functions of the cache do to sequences.
#include <algorithm>
#include <cmath>

#include "conformance/context.hpp"

namespace llorch::conformance {
namespace {

std::size_t size_of(std::int32_t n) {
  return static_cast<std::size_t>(n);
}

void replays_after_removal(Subject& subject) {
  const std::int32_t length = subject.length();
  const auto ids = subject.ids(size_of(length));
  const Logits whole = alone(subject, ids);
  Context context(subject, static_cast<std::uint32_t>(length));
  context.feed(subject.ids(size_of(length), 1), 0);  // other tokens: no trace of them may stay
  context.clear(0);
  context.require_range(0, -1, -1, "after all of it was removed");
  require(context.usage().used_tokens == 0, "kv_usage says {} tokens are used after all were removed",
          context.usage().used_tokens);
  require_same(subject, context.feed(ids, 0), whole, "a sequence in place of a removed one against a new one");
  const State full = context.state();
  const std::pair<std::int32_t, std::int32_t> nothing[] = {{3, 3}, {5, 2}, {length, -1}, {length + 5, length + 9}};
  for (const auto& [p0, p1] : nothing) {
    expect_ok(context.try_remove(0, p0, p1), fmt::format("the empty range {} to {}", p0, p1));
    context.require_unchanged(full, fmt::format("removing the empty range {} to {}", p0, p1));
  }
  expect(context.try_remove(-1, -1, -1), {LLORCH_INVALID_ARGUMENT}, "sequence -1");
  expect(context.try_remove(1, -1, -1), {LLORCH_INVALID_ARGUMENT}, "a sequence as large as max_seqs");
  if (!subject.has(LLORCH_CAP_KV_PARTIAL_REMOVE)) {
    expect(context.try_remove(0, 1, -1), {LLORCH_UNSUPPORTED}, "a part, without LLORCH_CAP_KV_PARTIAL_REMOVE");
    context.require_unchanged(full, "a partial removal that was refused");
    subject.note = "without LLORCH_CAP_KV_PARTIAL_REMOVE: whole sequences only";
    return;
  }
  for (const std::int32_t keep : {length - 1, length / 2, 1}) {
    context.remove(0, keep, -1);
    context.require_range(0, 0, keep - 1, fmt::format("after all from {} on was removed", keep));
    const auto other = subject.ids(size_of(length - keep), 2);
    context.feed(other, keep);
    context.remove(0, keep, length);
    require_same(subject, context.feed(std::span(ids).subspan(size_of(keep)), keep),
                 Logits(whole.begin() + keep, whole.end()),
                 fmt::format("replayed from position {} against the first time", keep));
  }
}

void closes_holes(Subject& subject) {
  subject.needs(LLORCH_CAP_KV_SHIFT | LLORCH_CAP_KV_PARTIAL_REMOVE, "LLORCH_CAP_KV_SHIFT and _PARTIAL_REMOVE");
  const std::int32_t length = subject.length();
  const std::int32_t third = length / 3;
  const auto ids = subject.ids(size_of(length));
  Context context(subject, static_cast<std::uint32_t>(length) + 8);
  context.feed(ids, 0);
  const State full = context.state();
  const auto refused = [&](std::int32_t p0, std::int32_t p1, std::int32_t delta, const char* what) {
    expect(context.try_shift(0, p0, p1, delta), {LLORCH_INVALID_ARGUMENT}, what);
    context.require_unchanged(full, fmt::format("a shift that was refused: {}", what));
  };
  refused(-1, -1, -1, "position -1");
  refused(third, -1, -1, "onto a position outside the range");
  refused(0, third, 1, "onto the next position outside the range");
  refused(-1, -1, static_cast<std::int32_t>(subject.probe().max_positions) - length + 1, "beyond the last position");
  expect_ok(context.try_shift(0, third, third, 5), "an empty range");
  context.require_unchanged(full, "a shift of an empty range");

  context.remove(0, third, 2 * third);
  context.require_range(0, 0, length - 1, "with a hole in the middle");
  expect_ok(context.try_shift(0, 2 * third, -1, -third), "to close a hole");
  const std::int32_t left = length - third;
  context.require_range(0, 0, left - 1, "after the hole was closed");
  const std::int32_t next = subject.ids(1, 3)[0];
  context.feed(std::span(&next, 1), left);
  context.require_range(0, 0, left, "after the token behind a closed hole");

  // There and back again: but for rounding, nothing has happened.
  Context moved(subject, static_cast<std::uint32_t>(length) + 8);
  const Logits whole = alone(subject, ids);
  moved.feed(std::span(ids).first(size_of(length - 1)), 0);
  expect_ok(moved.try_shift(0, -1, -1, 2), "two positions up");
  moved.require_range(0, 2, length, "after a shift by 2");
  expect_ok(moved.try_shift(0, -1, -1, -2), "two positions down");
  const Logits back = moved.feed(std::span(ids).subspan(size_of(length - 1)), length - 1);
  const auto& expected = whole.back();
  float largest = 0;
  for (const float x : expected)
    largest = std::max(largest, std::abs(x));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    require(std::abs(back[0][i] - expected[i]) <= 1e-2F * largest,
            "shifted by 2 and by -2, token {} of the next row is {}, without the shifts {}", i, back[0][i],
            expected[i]);
  }
}

void isolates_copies(Subject& subject) {
  subject.needs(LLORCH_CAP_MULTI_SEQ, "LLORCH_CAP_MULTI_SEQ");
  const std::int32_t length = subject.length();
  const std::int32_t half = length / 2;
  const auto common = subject.ids(size_of(half));
  auto first = common;
  auto second = common;
  for (const std::int32_t id : subject.ids(size_of(length - half), 4))
    first.push_back(id);
  for (const std::int32_t id : subject.ids(size_of(length - half), 5))
    second.push_back(id);
  const Logits first_alone = alone(subject, first);
  const Logits second_alone = alone(subject, second);

  Context context(subject, static_cast<std::uint32_t>(3 * (length + 64)), 3);
  context.feed(common, 0, 0);
  context.feed(subject.ids(5, 6), 0, 1);  // what the target held is forgotten
  const State before = context.state();
  expect(context.try_copy(0, 0), {LLORCH_INVALID_ARGUMENT}, "a sequence onto itself");
  expect(context.try_copy(0, 3), {LLORCH_INVALID_ARGUMENT}, "onto a sequence as large as max_seqs");
  expect(context.try_copy(-1, 1), {LLORCH_INVALID_ARGUMENT}, "of sequence -1");
  context.require_unchanged(before, "copies that were refused");

  expect_ok(context.try_copy(0, 1), "a whole sequence");
  context.require_range(1, 0, half - 1, "after a copy");
  // Token by token in turns, so that a shared cell would be met.
  for (std::int32_t at = half; at < length; ++at) {
    const std::size_t i = size_of(at);
    const Logits a = context.feed(std::span(first).subspan(i, 1), at, 0);
    const Logits b = context.feed(std::span(second).subspan(i, 1), at, 1);
    require_same(subject, a, {first_alone[i]}, fmt::format("position {} of the source against it alone", at));
    require_same(subject, b, {second_alone[i]}, fmt::format("position {} of the copy against it alone", at));
  }
  expect_ok(context.try_copy(1, 2, -1, half), "the first part of a sequence");
  context.require_range(2, 0, half - 1, "after a copy of a part");
  context.clear(1);
  const Logits rest = context.feed(std::span(first).subspan(size_of(half)), half, 2);
  require_same(subject, rest, Logits(first_alone.begin() + half, first_alone.end()),
               "a copy of a part, its source removed, against the sequence alone");
}

}  // namespace

std::span<const Rule> cache_rules() {
  static constexpr Rule kRules[] = {
      {"K-26", "removed tokens leave no trace: replayed, they give what they gave",
       "The host reuses the common beginning of two requests.", Stage::kRunning, &replays_after_removal},
      {"K-27", "a shift closes a hole and refuses to meet another position",
       "A conversation longer than the context goes on.", Stage::kRunning, &closes_holes},
      {"K-28", "a copy and its source continue independently",
       "Requests that share a prompt do not share their answers.", Stage::kRunning, &isolates_copies},
  };
  return kRules;
}

}  // namespace llorch::conformance
