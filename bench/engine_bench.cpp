// What the host adds to each token: the engine and the sampler on a model that computes nothing. One line a case:
// microseconds for each token, from submit to the last event, and for the sampler alone.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "support/fake_tokenizer.hpp"

namespace {

using namespace llorch;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kTokens = 4000;
constexpr int kRuns = 7;

/// Returns the same logits whatever it is asked.
class IdleContext final : public plugin::Context {
 public:
  IdleContext(std::vector<float> logits, std::uint32_t rows) : vocab_(logits.size()) {
    for (std::uint32_t r = 0; r < rows; ++r) {
      logits_.insert(logits_.end(), logits.begin(), logits.end());
    }
  }
  Result<plugin::Output> forward(std::span<const std::int32_t>, std::span<const std::int32_t>,
                                 std::span<const std::int32_t>, std::span<const std::uint32_t> flags) override {
    const auto rows = static_cast<std::uint32_t>(std::count(flags.begin(), flags.end(), 1U));
    return plugin::Output{rows, static_cast<std::uint32_t>(vocab_), logits_.data(), vocab_};
  }
  Result<void> kv_seq_remove(std::int32_t, std::int32_t, std::int32_t) override { return {}; }
  Result<void> kv_seq_copy(std::int32_t, std::int32_t, std::int32_t, std::int32_t) override { return {}; }
  Result<void> kv_seq_shift(std::int32_t, std::int32_t, std::int32_t, std::int32_t) override { return {}; }
  Result<std::optional<std::pair<std::int32_t, std::int32_t>>> kv_seq_range(std::int32_t) override {
    return std::optional<std::pair<std::int32_t, std::int32_t>>{};
  }
  Result<std::vector<std::byte>> kv_seq_save(std::int32_t) override { return std::vector<std::byte>{}; }
  Result<void> kv_seq_load(std::int32_t, std::span<const std::byte>) override { return {}; }
  Result<llorch_kv_usage> kv_usage() override { return llorch_kv_usage{}; }
  Result<void> set_tap(std::uint64_t, std::int32_t, std::int32_t, TapFn) override { return {}; }
  Result<plugin::MemoryUse> memory_usage() override { return plugin::MemoryUse{}; }
  void set_cancelled(bool) noexcept override {}

 private:
  std::size_t vocab_;
  std::vector<float> logits_;
};

class IdleModel final : public plugin::Model {
 public:
  explicit IdleModel(std::vector<float> logits) : logits_(std::move(logits)) {
    info_.vocab_size = static_cast<std::uint32_t>(logits_.size());
    info_.max_positions = kTokens + 16;
    info_.caps = LLORCH_CAP_MULTI_SEQ | LLORCH_CAP_MIXED_BATCH;
  }
  [[nodiscard]] const llorch_model_info& info() const override { return info_; }
  Result<std::unique_ptr<plugin::Context>> create_context(const plugin::ContextParams& params) override {
    return std::unique_ptr<plugin::Context>(std::make_unique<IdleContext>(logits_, params.max_output_rows));
  }

 private:
  llorch_model_info info_{};
  std::vector<float> logits_;
};

class Waiter final : public engine::Listener {
 public:
  void on_token(engine::TokenEvent event) override { bytes_ += event.text.size(); }
  void on_finished(engine::FinishEvent /*event*/) override {
    const std::lock_guard lock(mutex_);
    done_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::size_t bytes_ = 0;
};

template <class Work>
double best_microseconds(Work work) {
  double best = 1e300;
  for (int i = 0; i < kRuns; ++i) {
    const auto begin = Clock::now();
    work();
    best = std::min(best, std::chrono::duration<double, std::micro>(Clock::now() - begin).count() / kTokens);
  }
  return best;
}

}  // namespace

int main() {
  const struct {
    const char* name;
    sampling::Params params;
  } cases[] = {
      {"greedy", {.temperature = 0.0F}},
      {"temperature 1", {.temperature = 1.0F}},
      {"top-k 40, top-p 0.95, min-p 0.05", {.temperature = 0.8F, .top_k = 40, .top_p = 0.95F, .min_p = 0.05F}},
      {"top-p 0.9", {.temperature = 0.8F, .top_p = 0.9F}},
      {"repetition penalty 1.1", {.temperature = 0.0F, .repetition_penalty = 1.1F}},
  };
  for (const std::uint32_t vocab : {2000U, 50257U}) {
    std::mt19937_64 random(1);
    std::vector<float> logits(vocab);
    for (float& x : logits) {
      x = static_cast<float>(random() >> 40) / 16777216.0F * 12.0F;
    }
    for (const auto& c : cases) {
      const double alone = best_microseconds([&] {
        sampling::Sampler sampler(c.params, vocab);
        for (std::uint32_t i = 0; i < kTokens; ++i) {
          if (!sampler.sample(logits)) std::abort();
        }
      });
      auto engine =
          engine::Engine::create(std::make_shared<IdleModel>(logits),
                                 std::make_shared<test::FakeTokenizer>(std::vector<std::string>{}, vocab), {});
      if (!engine) std::abort();
      const double whole = best_microseconds([&] {
        engine::Request request;
        request.id = "r";
        request.prompt = {1};
        request.max_tokens = kTokens;
        request.sampling = c.params;
        request.stop = {"\n\n", "END"};
        request.ignore_eos = true;
        auto waiter = std::make_shared<Waiter>();
        std::vector<std::pair<engine::Request, std::shared_ptr<engine::Listener>>> one;
        one.emplace_back(std::move(request), waiter);
        if (!(*engine)->submit(std::move(one))) std::abort();
        waiter->wait();
      });
      fmt::print("vocabulary {:6}  {:34}  sampler {:8.2f} us  engine and sampler {:8.2f} us\n", vocab, c.name, alone,
                 whole);
    }
  }
}
