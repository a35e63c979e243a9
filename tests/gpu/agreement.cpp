// Against llama2_cpu, which was compared with independent references: operations on the cache, greedy text, types of
// weights.
#include <algorithm>
#include <functional>

#include "compare.hpp"
#include "suites.hpp"

namespace llorch::gpu_check {
namespace {

const std::vector<std::int32_t> kPrompt{1, 434, 461, 261, 409, 2008, 405, 283, 261, 400, 656, 558, 849, 2000};

struct Kv {
  const char* name;
  std::uint32_t type;
};
constexpr Kv kKvTypes[] = {{"f32", LLORCH_DTYPE_F32}, {"f16", LLORCH_DTYPE_F16}, {"q8_0", LLORCH_DTYPE_Q8_0}};

/// A sequence that is copied, cut in the middle, closed up, saved and loaded; logits after each step.
std::vector<float> edited(Context& context) {
  std::vector<float> out;
  const auto step = [&](std::int32_t token, std::int32_t position, std::int32_t seq) {
    const auto logits = context.forward({{token, position, seq, true}});
    out.insert(out.end(), logits.begin(), logits.end());
  };
  (void)context.forward(rows_of(kPrompt, 0, 0, false));
  step(849, 14, 0);
  context.copy(0, 1, -1, -1);
  step(400, 15, 1);
  context.remove(1, 3, 7);
  step(405, 16, 1);  // over a hole
  context.shift(1, 7, -1, -4);
  step(261, 13, 1);
  step(283, 15, 0);  // the copy's source is as it was
  context.load(2, context.save(1));
  step(409, 14, 2);
  context.remove(2, 10, -1);
  step(409, 10, 2);
  return out;
}

/// The ids that follow a prompt when the likeliest is taken each time, and the logits that each was taken from.
struct Choices {
  std::vector<std::int32_t> ids;
  std::vector<std::vector<float>> logits;
};

Choices choices(Context& context, const std::vector<std::int32_t>& prompt, int n) {
  Choices out;
  auto position = static_cast<std::int32_t>(prompt.size());
  std::vector<float> logits = context.forward(rows_of(prompt, 0, 0, false));
  for (;;) {
    out.ids.push_back(argmax(logits.data(), context.n_vocab()));
    out.logits.push_back(std::move(logits));
    if (static_cast<int>(out.ids.size()) == n) return out;
    logits = context.forward({{out.ids.back(), position++, 0, true}});
  }
}

/// Where the ids part, with what decides between a near tie and a defect: how far the reference's best is ahead of its
/// second, and of what was found, beside the difference between the two plugins' logits at that step.
void require_same_ids(const Choices& found, const Choices& expected, std::size_t prompt) {
  const auto split = std::mismatch(found.ids.begin(), found.ids.end(), expected.ids.begin());
  if (split.first == found.ids.end()) return;
  const auto at = static_cast<std::size_t>(split.first - found.ids.begin());
  const std::vector<float>& reference = expected.logits[at];
  const float best = reference[static_cast<std::size_t>(*split.second)];
  std::vector<float> sorted = reference;
  std::nth_element(sorted.begin(), sorted.begin() + 1, sorted.end(), std::greater<>());
  throw std::runtime_error("after a prompt of " + std::to_string(prompt) + ", id " + std::to_string(at) +
                           ": expected " + std::to_string(*split.second) + ", found " + std::to_string(*split.first) +
                           "; in the reference the best logit (" + number(best) + ") is " + number(best - sorted[1]) +
                           " ahead of the second and " +
                           number(best - reference[static_cast<std::size_t>(*split.first)]) +
                           " ahead of what was found; the plugins' logits differ by " +
                           number(largest_difference(found.logits[at], reference)) + " there");
}

}  // namespace

void check_cache(const Subject& subject, Report& report) {
  const auto source = open_gguf(subject.root / "models/tiny-llama2.gguf");
  for (const Kv& kv : kKvTypes) {
    const std::string suffix = std::string(", KV ") + kv.name;
    report.run("cache", "what is removed is as if never there" + suffix, [&] {
      const Model model(subject.plugin, *source);
      Context context(model, {256, 3, 64, kv.type});
      (void)context.forward(rows_of(kPrompt, 0, 0, false));
      const auto once = context.forward({{849, 14, 0, true}});
      context.remove(0, 6, -1);
      (void)context.forward(rows_of({kPrompt.begin() + 6, kPrompt.end()}, 6, 0, false));
      require(context.forward({{849, 14, 0, true}}) == once, "recomputed behind a cut: other bytes");
      return std::string("same bytes");
    });
    report.run("cache", "a copy and a saved state go on alike" + suffix, [&] {
      const Model model(subject.plugin, *source);
      Context context(model, {256, 3, 64, kv.type}), other(model, {256, 3, 64, kv.type});
      (void)context.forward(rows_of(kPrompt, 0, 0, false));
      context.copy(0, 1, -1, -1);
      const std::string state = context.save(0);
      other.load(2, state);
      const auto next = context.forward({{849, 14, 0, true}});
      require(context.forward({{849, 14, 1, true}}) == next, "the copy: other bytes");
      require(other.forward({{849, 14, 2, true}}) == next, "the loaded state: other bytes");
      return std::to_string(state.size()) + " bytes saved";
    });
    report.run("cache", "every operation as in llama2_cpu" + suffix, [&]() -> std::string {
      if (subject.cpu == nullptr) throw Report::Skip{"no llama2_cpu was given"};
      const Model model(subject.plugin, *source), reference(*subject.cpu, *source);
      Context context(model, {256, 3, 64, kv.type}), expected(reference, {256, 3, 64, kv.type});
      const double error = relative(edited(context), edited(expected));
      require(error < 2e-2, "relative error " + number(error) + ", at most 0.02");
      return "relative error " + number(error);
    });
    report.run("cache", "states go from one plugin to the other" + suffix, [&]() -> std::string {
      if (subject.cpu == nullptr) throw Report::Skip{"no llama2_cpu was given"};
      const Model model(subject.plugin, *source), reference(*subject.cpu, *source);
      Context here(model, {256, 2, 64, kv.type}), there(reference, {256, 2, 64, kv.type});
      (void)here.forward(rows_of(kPrompt, 0, 0, false));
      there.load(0, here.save(0));
      here.load(1, there.save(0));
      const auto own = here.forward({{849, 14, 0, true}});
      require(here.forward({{849, 14, 1, true}}) == own, "there and back: other bytes");
      const double error = relative(there.forward({{849, 14, 0, true}}), own);
      require(error < 2e-2, "relative error " + number(error) + ", at most 0.02");
      return "relative error " + number(error);
    });
  }
}

void check_agreement(const Subject& subject, Report& report) {
  const auto without_cpu = [&] {
    if (subject.cpu == nullptr) throw Report::Skip{"no llama2_cpu was given"};
  };
  const auto trained = open_gguf(subject.root / "models/tiny-llama2.gguf");
  for (const Kv& kv : kKvTypes) {
    report.run("agreement", std::string("greedy ids of the trained model, KV ") + kv.name, [&] {
      without_cpu();
      const Model model(subject.plugin, *trained), reference(*subject.cpu, *trained);
      Context context(model, {512, 1, 64, kv.type}), expected(reference, {512, 1, 64, kv.type});
      const int n = subject.quick ? 8 : 96;
      int texts = 0;
      for (const std::size_t length : {kPrompt.size(), std::size_t{5}, std::size_t{1}}) {
        const std::vector<std::int32_t> prompt(kPrompt.begin(), kPrompt.begin() + static_cast<std::ptrdiff_t>(length));
        require_same_ids(choices(context, prompt, n), choices(expected, prompt, n), length);
        context.remove(0, -1, -1);
        expected.remove(0, -1, -1);
        ++texts;
      }
      return std::to_string(texts) + " texts of " + std::to_string(n) + " ids";
    });
  }
  for (const std::string& type : all_types()) {
    report.run("agreement", "logits of random weights, " + type, [&] {
      without_cpu();
      const auto source = make_random(small_shape(), type_named(type));
      const Model model(subject.plugin, *source), reference(*subject.cpu, *source);
      Context context(model, {128, 1, 128, LLORCH_DTYPE_F32}), expected(reference, {128, 1, 128, LLORCH_DTYPE_F32});
      // Of the root of the mean square: what roundings of activations to int8 leave (types.cpp has more of it).
      constexpr double kMost = 6e-2;
      const std::uint32_t width = context.n_vocab();
      const auto rows = rows_of(kPrompt, 0, 0, true);
      const double many = relative_rms(context.forward(rows), expected.forward(rows), width).all;
      const double one =
          relative_rms(context.forward({{7, 14, 0, true}}), expected.forward({{7, 14, 0, true}}), width).all;
      const double error = std::max(many, one);
      require(error < kMost, "relative error " + number(error) + ", at most " + number(kMost));
      return "relative error " + number(error);
    });
  }
}

}  // namespace llorch::gpu_check
