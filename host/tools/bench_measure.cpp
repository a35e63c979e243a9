#include "tools/bench_measure.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <random>

namespace llorch::tools {
namespace {

using Clock = std::chrono::steady_clock;

/// Random tokens and the arrays of a batch; made before the clock runs.
class Runner {
 public:
  Runner(plugin::Context& context, std::uint32_t vocab_size, std::uint32_t batch_tokens)
      : context_(context), vocab_size_(vocab_size), batch_tokens_(batch_tokens) {}

  /// Seconds of one run from an empty cache. The first `n` tokens of the test.
  Result<double> run(const BenchTest& test, std::uint32_t n) {
    if (auto ok = context_.kv_seq_remove(0, -1, -1); !ok) return ok.error();
    tokens_.resize(n);
    for (std::int32_t& token : tokens_) {
      token = static_cast<std::int32_t>(random_() % vocab_size_);
    }
    positions_.resize(n);
    std::iota(positions_.begin(), positions_.end(), 0);
    seq_ids_.assign(n, 0);
    const bool generation = test.kind == BenchTest::Kind::kGeneration;
    flags_.assign(n, generation ? 1U : 0U);
    flags_.back() = 1;

    const auto begin = Clock::now();
    const std::size_t chunk = generation ? 1 : batch_tokens_;
    for (std::size_t at = 0; at < n; at += chunk) {
      const std::size_t rows = std::min(chunk, n - at);
      const auto part = [&](auto& v) { return std::span(v).subspan(at, rows); };
      auto output = context_.forward(part(tokens_), part(positions_), part(seq_ids_), part(flags_));
      if (!output) return output.error();
    }
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

 private:
  plugin::Context& context_;
  std::uint32_t vocab_size_, batch_tokens_;
  std::mt19937_64 random_{42};
  std::vector<std::int32_t> tokens_, positions_, seq_ids_;
  std::vector<std::uint32_t> flags_;
};

void summarise(BenchResult& result) {
  std::vector<double> speeds;
  for (const double s : result.seconds) {
    speeds.push_back(result.test.n / s);
  }
  const auto n = static_cast<double>(speeds.size());
  result.mean = std::accumulate(speeds.begin(), speeds.end(), 0.0) / n;
  double squares = 0;
  for (const double s : speeds) {
    squares += (s - result.mean) * (s - result.mean);
  }
  result.stddev = speeds.size() > 1 ? std::sqrt(squares / (n - 1)) : 0;
  std::sort(speeds.begin(), speeds.end());
  const std::size_t half = speeds.size() / 2;
  result.median = speeds.size() % 2 == 1 ? speeds[half] : (speeds[half - 1] + speeds[half]) / 2;
}

}  // namespace

std::string BenchTest::name() const {
  return fmt::format("{}{}", kind == Kind::kPrompt ? "pp" : "tg", n);
}

Result<std::vector<BenchResult>> measure(plugin::Model& model, const BenchPlan& plan,
                                         const std::function<void(const BenchTest&, std::uint32_t)>& progress) {
  std::uint32_t longest = 0;
  for (const BenchTest& test : plan.tests) {
    longest = std::max(longest, test.n);
  }
  if (longest > model.info().max_positions) {
    return make_error(ErrorCode::kInvalidArgument,
                      fmt::format("tests: expected at most {} tokens (the model's context), "
                                  "found {}",
                                  model.info().max_positions, longest));
  }
  std::vector<BenchResult> results;
  for (const std::uint32_t threads : plan.threads) {
    plugin::ContextParams params;
    params.max_tokens = longest;
    params.max_batch_tokens = std::min(plan.batch_tokens, longest);
    params.n_threads = threads;
    plan.kv.put_into(params);
    auto context = model.create_context(params);
    if (!context) return context.error();
    const auto memory = (*context)->memory_usage();
    if (!memory) return memory.error();
    Runner runner(**context, model.info().vocab_size, params.max_batch_tokens);
    for (const BenchTest& test : plan.tests) {
      progress(test, threads);
      BenchResult result;
      result.test = test;
      result.threads = threads;
      result.kv_bytes_per_token = static_cast<double>(memory->kv) / longest;
      // As llama-bench warms up: the whole prompt, or one token.
      if (auto warm = runner.run(test, test.kind == BenchTest::Kind::kPrompt ? test.n : 1); !warm) return warm.error();
      for (std::uint32_t r = 0; r < plan.repetitions; ++r) {
        auto seconds = runner.run(test, test.n);
        if (!seconds) return seconds.error();
        result.seconds.push_back(*seconds);
      }
      summarise(result);
      results.push_back(std::move(result));
    }
  }
  return results;
}

}  // namespace llorch::tools
