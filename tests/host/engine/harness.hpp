// What the engine's tests share: a listener that records, and an engine on a fake model.
#pragma once

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/engine.hpp"
#include "support/fake_model.hpp"
#include "support/fake_tokenizer.hpp"

namespace llorch::test {

/// Guards against a hang, nothing else: no test expects to wait this long.
inline constexpr auto kPatience = std::chrono::seconds(60);

/// Records all events, checks their order, and lets the test wait for them.
class Recorder final : public engine::Listener {
 public:
  void on_started() override {
    const std::lock_guard lock(mutex_);
    if (started_ || finish_) disorder_ = "on_started twice or late";
    started_ = true;
    changed_.notify_all();
  }
  void on_prompt_scored(std::vector<sampling::Logprobs> scores) override {
    const std::lock_guard lock(mutex_);
    if (!started_ || scores_ || !tokens_.empty() || finish_) disorder_ = "on_prompt_scored out of order";
    scores_ = std::move(scores);
  }
  void on_token(engine::TokenEvent event) override {
    const std::lock_guard lock(mutex_);
    if (!started_ || finish_ || event.index != tokens_.size()) disorder_ = "on_token out of order";
    tokens_.push_back(std::move(event));
    changed_.notify_all();
  }
  void on_finished(engine::FinishEvent event) override {
    const std::lock_guard lock(mutex_);
    if (finish_) disorder_ = "on_finished twice";
    finish_ = std::move(event);
    changed_.notify_all();
  }

  engine::FinishEvent wait() {
    std::unique_lock lock(mutex_);
    BOOST_REQUIRE(changed_.wait_for(lock, kPatience, [&] { return finish_.has_value(); }));
    BOOST_TEST(disorder_ == "");
    return *finish_;
  }
  void wait_for_tokens(std::size_t n) {
    std::unique_lock lock(mutex_);
    BOOST_REQUIRE(changed_.wait_for(lock, kPatience, [&] { return tokens_.size() >= n || finish_.has_value(); }));
  }
  [[nodiscard]] bool started() const {
    const std::lock_guard lock(mutex_);
    return started_;
  }
  [[nodiscard]] bool finished() const {
    const std::lock_guard lock(mutex_);
    return finish_.has_value();
  }
  [[nodiscard]] std::vector<engine::TokenEvent> tokens() const {
    const std::lock_guard lock(mutex_);
    return tokens_;
  }
  [[nodiscard]] std::vector<std::int32_t> ids() const {
    std::vector<std::int32_t> ids;
    for (const auto& t : tokens()) {
      ids.push_back(t.token);
    }
    return ids;
  }
  /// All text the client sees.
  [[nodiscard]] std::string text() const {
    const std::lock_guard lock(mutex_);
    std::string text;
    for (const auto& t : tokens_) {
      text += t.text;
    }
    return text + (finish_ ? finish_->text : "");
  }
  [[nodiscard]] std::optional<std::vector<sampling::Logprobs>> scores() const {
    const std::lock_guard lock(mutex_);
    return scores_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool started_ = false;
  std::vector<engine::TokenEvent> tokens_;
  std::optional<std::vector<sampling::Logprobs>> scores_;
  std::optional<engine::FinishEvent> finish_;
  std::string disorder_;
};

/// Closed until opened; a hook waits at it so that the test can arrange who is in the queue.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    waiting_ = true;
    changed_.notify_all();
    changed_.wait_for(lock, kPatience, [&] { return open_; });
  }
  /// Until somebody waits at the gate.
  void wait_for_visitor() {
    std::unique_lock lock(mutex_);
    BOOST_REQUIRE(changed_.wait_for(lock, kPatience, [&] { return waiting_; }));
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false, waiting_ = false;
};

/// One engine on one fake model. Set up `model`, `strings` and `options`, then start().
class Harness {
 public:
  explicit Harness(std::uint32_t vocab_size = 300, std::uint32_t max_positions = 64,
                   std::uint64_t caps = FakeModel::kAllCaps)
      : model(std::make_shared<FakeModel>(vocab_size, max_positions, caps)) {}
  ~Harness() {
    engine.reset();
    for (const std::string& breach : model->breaches()) {
      BOOST_ERROR("the engine broke the ABI's contract: " << breach);
    }
  }
  Harness(const Harness&) = delete;
  Harness& operator=(const Harness&) = delete;

  void start() {
    auto created =
        engine::Engine::create(model, std::make_shared<FakeTokenizer>(strings, model->info().vocab_size), options);
    BOOST_REQUIRE_MESSAGE(created.has_value(), (created ? "" : created.error().message));
    engine = std::move(*created);
  }
  std::shared_ptr<Recorder> submit(engine::Request request) {
    auto recorder = std::make_shared<Recorder>();
    const auto result = try_submit(std::move(request), recorder);
    BOOST_REQUIRE_MESSAGE(result.has_value(), (result ? "" : result.error().message));
    return recorder;
  }
  Result<void> try_submit(engine::Request request, std::shared_ptr<Recorder> recorder = std::make_shared<Recorder>()) {
    if (request.id.empty()) request.id = "r" + std::to_string(next_id_++);
    std::vector<std::pair<engine::Request, std::shared_ptr<engine::Listener>>> requests;
    requests.emplace_back(std::move(request), std::move(recorder));
    return engine->submit(std::move(requests));
  }

  std::shared_ptr<FakeModel> model;
  std::vector<std::string> strings;  ///< of the tokens from FakeTokenizer::kFirstString on
  engine::Options options{.context_length = 0};
  std::unique_ptr<engine::Engine> engine;

 private:
  int next_id_ = 0;
};

inline std::vector<std::int32_t> ids_of(std::string_view text) {
  return FakeTokenizer().encode(text, {});
}

inline bool holds(std::span<const FakeRow> rows, std::int32_t token) {
  return std::any_of(rows.begin(), rows.end(), [&](const FakeRow& r) { return r.token == token; });
}

/// A greedy request.
inline engine::Request greedy(std::vector<std::int32_t> prompt, std::uint32_t max_tokens) {
  engine::Request request;
  request.prompt = std::move(prompt);
  request.max_tokens = max_tokens;
  request.sampling.temperature = 0;
  request.ignore_eos = true;
  return request;
}

/// What a sampler alone, without an engine, makes of the fake model.
inline std::vector<std::int32_t> generate_alone(const FakeModel& model, const engine::Request& request) {
  sampling::Sampler sampler(request.sampling, model.info().vocab_size);
  sampler.accept_prompt(request.prompt);
  auto history = request.prompt;
  while (history.size() < request.prompt.size() + request.max_tokens) {
    history.push_back(sampler.sample(model.logits_after(history)).value());
  }
  return {history.begin() + static_cast<std::ptrdiff_t>(request.prompt.size()), history.end()};
}

/// Makes the model write `script` after a prompt of `prompt_size` tokens, then its own choice.
inline auto script(std::size_t prompt_size, std::vector<std::int32_t> tokens) {
  return [prompt_size, tokens = std::move(tokens)](std::span<const std::int32_t> history) {
    const std::size_t at = history.size() - prompt_size;
    return at < tokens.size() ? tokens[at] : static_cast<std::int32_t>('.');
  };
}

}  // namespace llorch::test
