// Against llama2_cpu, which was compared with independent references: operations on the cache, greedy text, types of
// weights.
#include <algorithm>
#include <cmath>

#include "suites.hpp"

namespace llorch::gpu_check {
namespace {

double relative(const std::vector<float>& a, const std::vector<float>& b) {
  require(a.size() == b.size() && !a.empty(), "other numbers of logits");
  double most = 0, scale = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    require(!std::isnan(d), "logit " + std::to_string(i) + " is no number");
    most = std::max(most, d);
    scale = std::max(scale, std::fabs(static_cast<double>(b[i])));
  }
  return most / scale;
}

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
        const auto found = greedy(context, prompt, n), ids = greedy(expected, prompt, n);
        const auto split = std::mismatch(found.begin(), found.end(), ids.begin());
        require(split.first == found.end(), "after a prompt of " + std::to_string(length) + ", id " +
                                                std::to_string(split.first - found.begin()) + " differs");
        context.remove(0, -1, -1);
        expected.remove(0, -1, -1);
        ++texts;
      }
      return std::to_string(texts) + " texts of " + std::to_string(n) + " ids";
    });
  }
  for (const char* type : {"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_K", "Q5_K", "Q6_K"}) {
    report.run("agreement", std::string("logits of random weights, ") + type, [&] {
      without_cpu();
      const auto source = make_random(small_shape(), type_named(type));
      const Model model(subject.plugin, *source), reference(*subject.cpu, *source);
      Context context(model, {128, 1, 128, LLORCH_DTYPE_F32}), expected(reference, {128, 1, 128, LLORCH_DTYPE_F32});
      const double many =
          relative(context.forward(rows_of(kPrompt, 0, 0, true)), expected.forward(rows_of(kPrompt, 0, 0, true)));
      const double one = relative(context.forward({{7, 14, 0, true}}), expected.forward({{7, 14, 0, true}}));
      const double error = std::max(many, one);
      require(error < 2e-2, "relative error " + number(error) + ", at most 0.02");
      return "relative error " + number(error);
    });
  }
}

}  // namespace llorch::gpu_check
