#include "bench.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "compare.hpp"
#include "json.hpp"
#include "report.hpp"

namespace llorch::gpu_check {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::vector<std::int32_t> tokens(std::uint32_t n, std::uint32_t vocab) {
  std::vector<std::int32_t> out;
  for (std::uint32_t i = 0; i < n; ++i)
    out.push_back(static_cast<std::int32_t>((i * 7919U + 13U) % vocab));
  return out;
}

constexpr std::uint32_t kBatch = 2048;

struct Times {
  double median, best;
};
Times of(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  return {seconds[seconds.size() / 2], seconds.front()};
}

struct Line {
  std::string type, test;
  std::uint32_t tokens = 0;
  Times seconds{};
  double bytes = 0, flops = 0;  // that one pass must read and compute at least
};

class Bench {
 public:
  Bench(const Plugin& plugin, const BenchPlan& plan) : plugin_(plugin), plan_(plan) {}

  BenchResult run() {
    std::printf("limits: %s GB/s copied, %s TFLOP/s of bf16 (%s)\n",
                limit_text(plan_.copy_bytes_per_second / 1e9).c_str(),
                limit_text(plan_.gemm_flops_per_second / 1e12).c_str(),
                plan_.gemm_source.empty() ? "-" : plan_.gemm_source.c_str());
    std::printf("%-6s %-16s %12s %12s %10s %10s %12s\n", "type", "test", "median t/s", "best t/s", "GB/s", "TFLOP/s",
                "of the limit");
    for (const std::string& type : plan_.types) {
      try {
        run_type(type);
      } catch (const std::exception& failure) {
        std::printf("%-6s FAILED: %s\n", type.c_str(), failure.what());
        std::fflush(stdout);
        add("{\"type\":" + json_text(type) + ",\"error\":" + json_text(failure.what()) + "}");
        passed_ = false;
      }
    }
    return {out_ + "\n]", passed_};
  }

 private:
  void run_type(const std::string& type) {
    const auto source = make_random(plan_.shape, type_named(type));
    const auto begin = Clock::now();
    const Model model(plugin_, *source);
    std::printf("%-6s loaded in %.1f s, %.2f GB of weights\n", type.c_str(), seconds_since(begin),
                static_cast<double>(source->bytes()) / 1e9);
    const std::uint32_t most = std::max(*std::max_element(plan_.prompts.begin(), plan_.prompts.end()),
                                        *std::max_element(plan_.depths.begin(), plan_.depths.end()) + plan_.generated);
    const ContextSize size{.tokens = std::min(most + 1, model.info().max_positions),
                           .batch = kBatch,
                           .kv_type = plan_.kv_type,
                           .outputs = 1};
    Context context(model, size);
    for (const std::uint32_t n : plan_.prompts)
      prompt(type, *source, context, n);
    for (const std::uint32_t depth : plan_.depths)
      generation(type, *source, context, depth);
  }

  /// All weights but the embedding, of which a token reads one row.
  [[nodiscard]] double matrix_share(const ModelSource& source) const {
    return 1.0 - static_cast<double>(plan_.shape.vocab * plan_.shape.dim) / static_cast<double>(source.parameters());
  }

  /// Logits of the last token.
  static const float* feed(Context& context, const std::vector<std::int32_t>& prompt) {
    const float* logits = nullptr;
    for (std::size_t at = 0; at < prompt.size(); at += kBatch) {
      const std::vector<std::int32_t> piece(
          prompt.begin() + static_cast<std::ptrdiff_t>(at),
          prompt.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(at + kBatch, prompt.size())));
      logits = context.forward_in_place(rows_of(piece, static_cast<std::int32_t>(at), 0, false));
    }
    return logits;
  }

  void prompt(const std::string& type, const ModelSource& source, Context& context, std::uint32_t n) {
    const auto ids = tokens(n, context.n_vocab());
    std::vector<double> times;
    for (int i = 0; i <= plan_.repetitions; ++i) {
      context.remove(0, -1, -1);
      const auto begin = Clock::now();
      const float* logits = feed(context, ids);
      const double seconds = seconds_since(begin);
      require_logits(logits, context.n_vocab(), "prompt " + std::to_string(n));
      if (i > 0) times.push_back(seconds);  // the first one warms up
    }
    const auto& s = plan_.shape;
    const double per_token = 2.0 * (static_cast<double>(source.parameters()) -
                                    2.0 * static_cast<double>(s.vocab * s.dim));  // the head once, below
    const double attention = 2.0 * 2.0 * static_cast<double>(s.layers * s.dim) * n * (n + 1) / 2.0;
    const double head = 2.0 * static_cast<double>(s.vocab * s.dim);
    report({type, "prompt " + std::to_string(n), n, of(times), 0, per_token * n + attention + head});
  }

  void generation(const std::string& type, const ModelSource& source, Context& context, std::uint32_t depth) {
    const auto ids = tokens(depth + 1, context.n_vocab());
    std::vector<double> times;
    for (int i = 0; i <= plan_.repetitions; ++i) {
      context.remove(0, -1, -1);
      if (depth > 0) (void)feed(context, {ids.begin(), ids.end() - 1});
      const auto begin = Clock::now();
      std::int32_t token = ids.back();
      const float* logits = nullptr;
      for (std::uint32_t k = 0; k < plan_.generated; ++k) {
        logits = context.forward_in_place({{token, static_cast<std::int32_t>(depth + k), 0, true}});
        token = argmax(logits, context.n_vocab());
      }
      const double seconds = seconds_since(begin);
      require_logits(logits, context.n_vocab(), "generation behind " + std::to_string(depth));
      if (i > 0) times.push_back(seconds);
    }
    const auto& s = plan_.shape;
    const double kv_bytes = plan_.kv_type == LLORCH_DTYPE_F32    ? 4.0
                            : plan_.kv_type == LLORCH_DTYPE_Q8_0 ? 34.0 / 32
                                                                 : 2.0;
    const double cached = depth + (plan_.generated - 1) / 2.0;
    const std::uint64_t kv_dim = s.dim / s.heads * s.kv_heads;
    const double cache = 2.0 * static_cast<double>(s.layers * kv_dim) * kv_bytes * cached;
    const double weights = static_cast<double>(source.bytes()) * matrix_share(source);
    report({type, "generation @" + std::to_string(depth), plan_.generated, of(times),
            (weights + cache) * plan_.generated, 0});
  }

  void report(const Line& line) {
    const double gb = line.bytes / line.seconds.median / 1e9, tflop = line.flops / line.seconds.median / 1e12;
    const double limit = line.bytes > 0 ? plan_.copy_bytes_per_second / 1e9 : plan_.gemm_flops_per_second / 1e12;
    const double share = limit > 0 ? (line.bytes > 0 ? gb : tflop) / limit : 0;
    const std::string share_text = share > 0 ? number(100 * share) + " %" : "unknown";
    std::printf("%-6s %-16s %12.2f %12.2f %10s %10s %12s\n", line.type.c_str(), line.test.c_str(),
                line.tokens / line.seconds.median, line.tokens / line.seconds.best,
                line.bytes > 0 ? number(gb).c_str() : "-", line.flops > 0 ? number(tflop).c_str() : "-",
                share_text.c_str());
    std::fflush(stdout);
    add("{\"type\":" + json_text(line.type) + ",\"test\":" + json_text(line.test) +
        ",\"tokens\":" + std::to_string(line.tokens) + ",\"median_seconds\":" + number(line.seconds.median) +
        ",\"best_seconds\":" + number(line.seconds.best) + ",\"bytes_per_second\":" + number(gb * 1e9) +
        ",\"flops_per_second\":" + number(tflop * 1e12) +
        ",\"share_of_limit\":" + (share > 0 ? number(share) : "null") + "}");
  }

  void add(const std::string& object) { out_ += (out_.size() > 1 ? ",\n " : "\n ") + object; }

  static std::string limit_text(double v) { return v > 0 ? number(v) : "unknown"; }

  const Plugin& plugin_;
  const BenchPlan& plan_;
  std::string out_ = "[";
  bool passed_ = true;
};

}  // namespace

BenchResult bench(const Plugin& plugin, const BenchPlan& plan) {
  return Bench(plugin, plan).run();
}

}  // namespace llorch::gpu_check
