// An engine whose sequences a test moves by hand, a tokenizer of bytes, and an exchange that records the answer.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/handlers.hpp"
#include "engine/engine.hpp"
#include "http/exchange.hpp"
#include "tokenizer/tokenizer.hpp"

namespace llorch::testing {

/// One token a byte; 256 is the special token "<|end|>".
class ByteTokenizer : public tokenizer::Tokenizer {
 public:
  static constexpr std::int32_t kEnd = 256;

  ByteTokenizer() {
    for (int i = 0; i < 256; ++i)
      bytes_.push_back(static_cast<char>(i));
  }
  [[nodiscard]] std::string_view kind() const override { return "bytes"; }
  [[nodiscard]] std::uint32_t vocab_size() const override { return 257; }
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text,
                                                 const tokenizer::EncodeOptions& options) const override {
    std::vector<std::int32_t> ids;
    if (options.add_special) ids = prefix;
    for (const char c : text)
      ids.push_back(static_cast<std::uint8_t>(c));
    return ids;
  }
  [[nodiscard]] std::string_view token_bytes(std::int32_t id) const override {
    if (id == kEnd) return "<|end|>";
    return id >= 0 && id < kEnd ? std::string_view(bytes_).substr(static_cast<std::size_t>(id), 1) : std::string_view();
  }
  [[nodiscard]] bool is_special(std::int32_t id) const override { return id == kEnd; }
  [[nodiscard]] std::optional<std::int32_t> bos() const override { return std::nullopt; }
  [[nodiscard]] std::optional<std::int32_t> eos() const override { return kEnd; }
  [[nodiscard]] bool ends_generation(std::int32_t id) const override { return id == kEnd; }
  [[nodiscard]] std::optional<std::int32_t> find(std::string_view) const override { return std::nullopt; }

  std::vector<std::int32_t> prefix;  ///< what add_special adds

 private:
  std::string bytes_;
};

/// Accepts what is submitted; the test then starts, feeds and finishes each sequence. All on the test's thread.
class FakeEngine : public engine::Engine {
 public:
  struct Live {
    engine::Request request;
    std::shared_ptr<engine::Listener> listener;
    std::uint32_t tokens = 0;
  };

  [[nodiscard]] Result<void> submit(
      std::vector<std::pair<engine::Request, std::shared_ptr<engine::Listener>>> requests) override {
    if (refusal) return *refusal;
    for (auto& [request, listener] : requests) {
      order.push_back(request.id);
      const std::string id = request.id;
      live[id] = {std::move(request), std::move(listener)};
    }
    return {};
  }
  bool cancel(const std::string& id) override {
    if (!live.contains(id)) return false;
    cancelled.push_back(id);
    return true;
  }
  [[nodiscard]] engine::Stats stats() const override { return current_stats; }
  [[nodiscard]] std::uint32_t context_length() const override { return context; }
  [[nodiscard]] plugin::MemoryUse memory() const override { return {1000, 200, 30, 4, 0}; }
  void drain(std::function<void()> on_idle) override { on_idle(); }
  void cancel_all() override {}
  [[nodiscard]] bool healthy() const override { return is_healthy; }

  /// The id of the i-th sequence submitted.
  [[nodiscard]] std::string id(std::size_t i = 0) const { return order.at(i); }
  void start(const std::string& id) { live.at(id).listener->on_started(); }
  void token(const std::string& id, std::string text, std::int32_t token = 'a',
             std::optional<sampling::Logprobs> logprobs = std::nullopt) {
    Live& sequence = live.at(id);
    sequence.listener->on_token({token, sequence.tokens++, std::move(text), std::move(logprobs)});
  }
  void finish(const std::string& id, engine::StopReason reason = engine::StopReason::kMaxTokens,
              std::string held_back = {}, std::optional<Error> error = std::nullopt, std::string stop = {}) {
    const Live sequence = live.at(id);
    live.erase(id);
    engine::FinishEvent end;
    end.reason = reason;
    end.text = std::move(held_back);
    end.error = std::move(error);
    end.stop_sequence = std::move(stop);
    end.prompt_tokens = static_cast<std::uint32_t>(sequence.request.prompt.size());
    end.completion_tokens = sequence.tokens;
    end.timings = {0.001, 0.002, 0.5, 0.003};
    sequence.listener->on_finished(std::move(end));
  }

  std::optional<Error> refusal;
  std::map<std::string, Live> live;
  std::vector<std::string> order, cancelled;
  engine::Stats current_stats;
  std::uint32_t context = 64;
  bool is_healthy = true;
};

/// Records what a handler answers.
class RecordingExchange : public http::Exchange {
 public:
  explicit RecordingExchange(boost::asio::io_context& io) : io_(io) {}

  boost::asio::any_io_executor executor() override { return io_.get_executor(); }
  boost::asio::awaitable<void> respond(http::Response answer) override {
    ++responses;
    response = std::move(answer);
    co_return;
  }
  boost::asio::awaitable<bool> begin_stream(http::Headers) override {
    streaming = true;
    co_return !gone;
  }
  boost::asio::awaitable<bool> write(std::string bytes) override {
    if (!gone) stream += bytes;
    co_return !gone;
  }
  boost::asio::awaitable<void> end_stream() override {
    ended = true;
    co_return;
  }
  void on_disconnect(std::function<void()> callback) override { disconnect_callback = std::move(callback); }
  [[nodiscard]] bool disconnected() const override { return gone; }

  int responses = 0;
  http::Response response;
  bool streaming = false, ended = false, gone = false;
  std::string stream;
  std::function<void()> disconnect_callback;

 private:
  boost::asio::io_context& io_;
};

/// A worker on a fake engine, and one request at a time through a handler.
class WorkerFixture {
 public:
  WorkerFixture() {
    api::Backend backend;
    backend.engine = engine;
    backend.tokenizer = tokenizer;
    backend.plugin = "fake";
    backend.capacity = 4;
    backend.queue_limit = 3;
    worker.set_ready(std::move(backend));
  }

  using Handler = api::Answer (*)(api::Worker&, const http::Request&, http::Exchange&);
  /// Runs the handler until it waits for the engine.
  void begin(Handler handler, std::string body) {
    exchange = std::make_unique<RecordingExchange>(io);
    http_request.body = std::move(body);
    http_request.id = "test";
    finished = false;
    boost::asio::co_spawn(io, handler(worker, http_request, *exchange), [this](const std::exception_ptr& failure) {
      finished = true;
      if (failure) std::rethrow_exception(failure);
    });
    run();
  }
  /// Runs what is ready to run; a request that was given to a helper thread is waited for.
  void run() {
    io.restart();
    io.poll();
  }
  /// Runs until the handler is done; false when that takes more than `patience`.
  bool run_to_end(std::chrono::seconds patience = std::chrono::seconds(20)) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!finished && std::chrono::steady_clock::now() < deadline) {
      io.restart();
      io.run_one_for(std::chrono::milliseconds(50));
    }
    return finished;
  }

  boost::asio::io_context io;
  std::shared_ptr<FakeEngine> engine = std::make_shared<FakeEngine>();
  std::shared_ptr<ByteTokenizer> tokenizer = std::make_shared<ByteTokenizer>();
  api::Worker worker{{"w0", "fake-model", "0.0.0"}};
  std::unique_ptr<RecordingExchange> exchange;
  http::Request http_request;
  bool finished = false;
};

}  // namespace llorch::testing
