// K-20 to K-25: limits, unknown input and refusals. What is refused changes nothing.
#include <sys/resource.h>

#include <algorithm>

#include "conformance/context.hpp"

namespace llorch::conformance {
namespace {

Answer try_context(Subject& subject, llorch_context_params params, llorch_context** out) {
  params.struct_size = sizeof params;
  return ask("context_create", [&](llorch_error* error) {
    return subject.api().context_create(subject.model().handle(), &params, out, error);
  });
}

llorch_context_params params_for(std::uint32_t max_tokens) {
  llorch_context_params params{};
  params.max_tokens = max_tokens;
  return params;
}

void checks_parameters(Subject& subject) {
  const auto refused = [&](const llorch_context_params& params, std::initializer_list<llorch_status> statuses,
                           const char* what) {
    llorch_context* context = nullptr;
    expect(try_context(subject, params, &context), statuses, what);
    require(context == nullptr, "context_create, {}: refused, but *out is set", what);
  };
  refused(params_for(0), {LLORCH_INVALID_ARGUMENT}, "max_tokens 0");
  llorch_context_params unknown_k = params_for(16);
  unknown_k.kv_dtype_k = 0x1FF;
  refused(unknown_k, {LLORCH_UNSUPPORTED}, "an unknown kv_dtype_k");
  llorch_context_params unknown_v = params_for(16);
  unknown_v.kv_dtype_v = 0x1FF;
  refused(unknown_v, {LLORCH_UNSUPPORTED}, "an unknown kv_dtype_v");
  if (!subject.has(LLORCH_CAP_MULTI_SEQ)) {
    llorch_context_params several = params_for(16);
    several.max_seqs = 2;
    refused(several, {LLORCH_INVALID_ARGUMENT}, "max_seqs 2 without LLORCH_CAP_MULTI_SEQ");
  }
  const llorch_model_params nowhere{sizeof nowhere, 0xFFFF};
  llorch_model* model = nullptr;
  const Answer answer = ask("model_create", [&](llorch_error* error) {
    return subject.api().model_create(subject.handle(), &subject.source(), &nowhere, &model, error);
  });
  expect(answer, {LLORCH_NOT_FOUND, LLORCH_INVALID_ARGUMENT}, "device 65535");
  require(model == nullptr, "model_create, device 65535: refused, but *out is set");
}

std::uint64_t estimate(Subject& subject, llorch_context_params params) {
  params.struct_size = sizeof params;
  const llorch_model_params model_params{sizeof model_params, 0};
  MemorySum sum;
  const Answer answer = ask("estimate_memory", [&](llorch_error* error) {
    return subject.api().estimate_memory(subject.handle(), &subject.source(), &model_params, &params, &MemorySum::add,
                                         &sum, error);
  });
  return answer.ok() ? sum.bytes : 0;
}

void reports_exhausted_memory(Subject& subject) {
#ifdef LLORCH_SANITIZED
  throw NotApplicable("a sanitizer needs the address space that this rule takes away");
#endif
  constexpr std::uint64_t kTooMuch = std::uint64_t{8} << 30U;
  llorch_context_params params{};
  params.max_batch_tokens = 16;
  params.max_output_rows = 1;
  for (params.max_tokens = 1U << 16U; params.max_tokens < (1U << 31U); params.max_tokens *= 2) {
    if (estimate(subject, params) > kTooMuch) break;
  }
  if (estimate(subject, params) <= kTooMuch) throw NotApplicable("no number of tokens takes 8 GiB");
  (void)subject.model();
  const rlimit space{std::uint64_t{4} << 30U, std::uint64_t{4} << 30U};
  require(::setrlimit(RLIMIT_AS, &space) == 0, "the kit cannot limit its address space");
  llorch_context* context = nullptr;
  const Answer answer = try_context(subject, params, &context);
  expect(answer, {LLORCH_OUT_OF_MEMORY}, fmt::format("{} tokens with 4 GiB of address space", params.max_tokens));
  require(context == nullptr, "context_create: out of memory, but *out is set");
  const Context small(subject, 16);
}

void checks_batches(Subject& subject) {
  const std::uint32_t max_seqs = subject.has(LLORCH_CAP_MULTI_SEQ) ? 2 : 1;
  const auto width = static_cast<std::int32_t>(subject.probe().vocab_size);
  const auto positions = static_cast<std::int32_t>(subject.probe().max_positions);
  llorch_context_params params{};
  params.max_tokens = 64;
  params.max_seqs = max_seqs;
  params.max_batch_tokens = 8;
  params.max_output_rows = 2;
  Context context(subject, subject.model(), params);
  const auto ids = subject.ids(5);
  context.feed(ids, 0, 0, 1);
  const State before = context.state();
  struct Fault {
    const char* what;
    std::vector<Row> rows;
  };
  const auto seqs = static_cast<std::int32_t>(max_seqs);
  std::vector<Fault> faults = {{"no rows", {}},
                               {"more rows than max_batch_tokens", rows_of(subject.ids(9), 5)},
                               {"token -1", {{-1, 5}}},
                               {"a token as large as the vocabulary", {{width, 5}}},
                               {"sequence -1", {{1, 0, -1}}},
                               {"a sequence as large as max_seqs", {{1, 0, seqs}}},
                               {"position -1", {{1, -1}}},
                               {"a position that is held already", {{1, 4}}},
                               {"a position behind a gap", {{1, 6}}},
                               {"a gap within the batch", {{1, 5, 0, 0}, {1, 7, 0, 0}}},
                               {"the same position twice", {{1, 5, 0, 0}, {1, 5, 0, 0}}},
                               {"more rows with logits than max_output_rows", rows_of(subject.ids(3), 5)}};
  for (Row& row : faults[1].rows)
    row.flags = 0;
  if (subject.has(LLORCH_CAP_MIXED_BATCH)) {
    faults.push_back({"rows of a sequence that are not adjacent", {{1, 5, 0, 0}, {1, 0, 1, 0}, {1, 6, 0, 0}}});
    faults.push_back({"a position behind the last, in the second sequence", {{1, 5, 0, 0}, {1, positions, 1, 0}}});
  }
  for (const Fault& fault : faults) {
    expect(context.try_forward(fault.rows), {LLORCH_INVALID_ARGUMENT}, fault.what);
    context.require_unchanged(before, fmt::format("a batch with {}", fault.what));
  }
  for (int absent = 0; absent < 4; ++absent) {
    const std::int32_t token = ids[0];
    const std::int32_t position = 5;
    const std::int32_t seq = 0;
    const std::uint32_t flags = 0;
    const llorch_batch batch{sizeof batch,
                             1,
                             absent == 0 ? nullptr : &token,
                             absent == 1 ? nullptr : &position,
                             absent == 2 ? nullptr : &seq,
                             absent == 3 ? nullptr : &flags};
    llorch_output output{};
    output.struct_size = sizeof output;
    const Answer answer = ask("forward", [&](llorch_error* error) {
      return context.api().forward(context.handle(), &batch, &output, error);
    });
    expect(answer, {LLORCH_INVALID_ARGUMENT}, "an array that is NULL");
  }
  context.clear(0);
  expect(context.try_forward(std::vector<Row>{{1, positions}}), {LLORCH_INVALID_ARGUMENT},
         "a position as large as max_positions");
  context.require_range(0, -1, -1, "after refused batches");
}

void refuses_unknown_flags(Subject& subject) {
  Context context(subject, 32);
  const auto ids = subject.ids(4);
  context.feed(ids, 0);
  const State before = context.state();
  for (const std::uint32_t flags : {1U << 1U, 1U << 31U | LLORCH_OUTPUT_LOGITS}) {
    expect(context.try_forward(std::vector<Row>{{ids[0], 4, 0, flags}}), {LLORCH_UNSUPPORTED},
           fmt::format("output_flags {:#x}", flags));
    context.require_unchanged(before, "a batch with unknown output_flags");
  }
  const std::uint64_t taps = subject.probe().taps;
  const auto watch = [](const llorch_tap_event&) { return true; };
  for (unsigned bit = 0; bit < 64; ++bit) {
    const std::uint64_t mask = std::uint64_t{1} << bit;
    if ((taps & mask) == 0) {
      expect(context.try_tap(mask, 0, 1, watch), {LLORCH_UNSUPPORTED},
             fmt::format("tap {}, which llorch_model_info.taps lacks", bit));
    }
  }
  if (taps == 0) return;
  llorch_tap tap{};
  tap.struct_size = sizeof tap;
  tap.flags = 1;
  tap.mask = taps;
  tap.on_tensor = [](void*, const llorch_tap_event*) -> std::int32_t { return 0; };
  expect(ask("set_tap", [&](llorch_error* error) { return context.api().set_tap(context.handle(), &tap, error); }),
         {LLORCH_UNSUPPORTED}, "flags 1");
}

void refuses_without_room(Subject& subject) {
  const auto length = static_cast<std::uint32_t>(subject.length());
  const std::uint32_t seqs = subject.has(LLORCH_CAP_MULTI_SEQ) ? 2 : 1;
  llorch_context_params params{};
  params.max_tokens = length;
  params.max_seqs = seqs;
  params.max_batch_tokens = 4096;
  params.max_output_rows = 4096;
  Context context(subject, subject.model(), params);
  const llorch_kv_usage empty = context.usage();
  require(empty.free_tokens >= length && empty.used_tokens == 0,
          "kv_usage of a new context for {} tokens: {} free, {} used", length, empty.free_tokens, empty.used_tokens);
  const std::uint32_t positions = subject.probe().max_positions;
  const std::uint32_t too_many = empty.free_tokens + 1;
  if (too_many > positions) {
    throw NotApplicable(
        fmt::format("the cache holds {} tokens, the model has {} positions", empty.free_tokens, positions));
  }
  const auto ids = subject.ids(too_many);
  const Logits whole = alone(subject, std::span(ids).first(length));
  const std::uint32_t half = length / 2;
  context.feed(std::span(ids).first(half), 0);
  const State before = context.state();
  const auto rest = std::span(ids).subspan(half);
  expect(context.try_forward(rows_of(rest, static_cast<std::int32_t>(half))), {LLORCH_NO_KV_SPACE},
         fmt::format("{} tokens more where {} are free", rest.size(), before.free_tokens));
  context.require_unchanged(before, "NO_KV_SPACE");
  const auto fitting = std::span(ids).subspan(half, length - half);
  require_same(subject, context.feed(fitting, static_cast<std::int32_t>(half)),
               Logits(whole.begin() + half, whole.end()), "what fits after NO_KV_SPACE against the same without it");
}

void obeys_cancellation(Subject& subject) {
  const std::int32_t length = subject.length();
  const std::int32_t half = length / 2;
  const auto ids = subject.ids(static_cast<std::size_t>(length));
  const Logits whole = alone(subject, ids);
  Context context(subject, static_cast<std::uint32_t>(length));
  context.feed(std::span(ids).first(static_cast<std::size_t>(half)), 0);
  const State before = context.state();
  const auto rest = rows_of(std::span(ids).subspan(static_cast<std::size_t>(half)), half);
  subject.services().cancelled = true;
  const Answer answer = context.try_forward(rest);
  subject.services().cancelled = false;
  expect(answer, {LLORCH_CANCELLED}, "is_cancelled says yes");
  context.require_unchanged(before, "a cancellation by the host");
  if (const std::uint64_t taps = subject.probe().taps; taps != 0) {
    // After the first tensor, the second, ...: until one runs through.
    for (int allowed = 0;; ++allowed) {
      int seen = 0;
      expect_ok(context.try_tap(taps, 0, 1 << 20, [&](const llorch_tap_event&) { return seen++ < allowed; }),
                "all taps");
      const Answer tapped = context.try_forward(rest);
      if (tapped.ok()) break;
      expect(tapped, {LLORCH_CANCELLED}, fmt::format("a tap that cancels after {} tensors", allowed));
      context.require_unchanged(before, fmt::format("a tap that cancelled after {} tensors", allowed));
    }
    expect_ok(context.try_tap(0, 0, 0, nullptr), "none");
    context.clear(0);
    context.feed(std::span(ids).first(static_cast<std::size_t>(half)), 0);
  }
  require_same(subject, context.forward(rest), Logits(whole.begin() + half, whole.end()),
               "a forward after cancellations against one without");
}

}  // namespace

std::span<const Rule> limit_rules() {
  static constexpr Rule kRules[] = {
      {"K-20", "impossible parameters of a context are refused", "A wrong configuration is an error at start.",
       Stage::kRunning, &checks_parameters},
      {"K-21", "memory that cannot be had is OUT_OF_MEMORY, and the next context can be made",
       "A context too large for the machine is an error in words.", Stage::kRunning, &reports_exhausted_memory},
      {"K-22", "a batch that breaks a rule is INVALID_ARGUMENT and changes nothing",
       "A defect of the host cannot damage a neighbour's sequence.", Stage::kRunning, &checks_batches},
      {"K-23", "unknown flags and taps are UNSUPPORTED and change nothing",
       "An old plugin does not silently ignore what a new host asks for.", Stage::kRunning, &refuses_unknown_flags},
      {"K-24", "NO_KV_SPACE leaves everything as it was", "The host makes room and tries again.", Stage::kRunning,
       &refuses_without_room},
      {"K-25", "a cancelled forward leaves everything as it was", "A client that leaves costs its neighbours nothing.",
       Stage::kRunning, &obeys_cancellation},
  };
  return kRules;
}

}  // namespace llorch::conformance
