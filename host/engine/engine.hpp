// Queue, scheduler and sequences: the only caller of forward(). One thread of its own runs the model.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "plugin/plugin.hpp"
#include "sampling/params.hpp"
#include "sampling/sampler.hpp"
#include "tokenizer/tokenizer.hpp"

namespace llorch::engine {

struct Request {
  std::string id;                    ///< unique among live requests; job_id or request id
  std::vector<std::int32_t> prompt;  ///< token ids, not empty, all below the vocabulary size
  std::uint32_t max_tokens = 16;     ///< 0 generates nothing: with prompt_logprobs it scores the prompt
  sampling::Params sampling;
  std::vector<std::string> stop;  ///< byte strings, not empty; text from the first match on is never emitted
  bool ignore_eos = false;
  std::optional<std::uint32_t> logprobs;  ///< set: report per token, with this many alternatives
  bool prompt_logprobs = false;           ///< also score the prompt (echo)
};

enum class StopReason : std::uint8_t { kMaxTokens, kEos, kStopSequence, kCancelled, kContextFull, kError };

struct TokenEvent {
  std::int32_t token = 0;
  std::uint32_t index = 0;  ///< 0-based count of generated tokens
  std::string text;         ///< whole UTF-8 released by this token; may be empty (held back) or span several tokens
  std::optional<sampling::Logprobs> logprobs;
};

struct Timings {  ///< seconds, monotonic clock
  double queue = 0, prompt = 0, decode = 0, time_to_first_token = 0;
};

struct FinishEvent {
  StopReason reason = StopReason::kMaxTokens;
  std::string stop_sequence;   ///< the one that matched
  std::string text;            ///< what was still held back and belongs to the answer
  std::optional<Error> error;  ///< set when reason is kError (or kCancelled by a fault)
  std::uint32_t prompt_tokens = 0;
  std::uint32_t completion_tokens = 0;  ///< token events; the end-of-generation token is neither one nor counted
  std::uint32_t cached_tokens = 0;      ///< prompt tokens whose KV was reused from an earlier request
  Timings timings;
};

/// Callbacks of one request, all from the engine's thread, in order: started?, prompt_scored?, token*, finished
/// (exactly once). They must neither block nor throw; the api room posts to the I/O thread.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual void on_started() {}
  /// Log-probabilities of prompt tokens 1..n-1 given what precedes them (only with prompt_logprobs).
  /// By value, so that a listener can keep them.
  // NOLINTNEXTLINE(performance-unnecessary-value-param)
  virtual void on_prompt_scored(std::vector<sampling::Logprobs> /*scores*/) {}
  virtual void on_token(TokenEvent event) = 0;
  virtual void on_finished(FinishEvent event) = 0;
};

struct Options {
  std::uint32_t slots = 1;           ///< sequences computed together
  std::uint32_t queue_limit = 32;    ///< requests waiting beyond the running ones
  std::uint32_t context_length = 0;  ///< tokens a sequence may hold; 0 = the model's limit
  std::uint32_t batch_tokens = 512;  ///< largest prefill chunk
  std::uint32_t threads = 1;
  std::uint32_t kv_dtype_k = 0, kv_dtype_v = 0;  ///< LLORCH_DTYPE_*; 0: the plugin's own
  bool reuse_prefix =
      true;  ///< keep a finished request's KV for the next prompt that begins alike; results are the same
};

/// A snapshot for /metrics and /health. [any-thread]
struct Stats {
  std::uint32_t running = 0, waiting = 0;
  double kv_usage = 0;  ///< 0..1; of running requests (what is kept for prefix reuse can be had at any time)
  std::uint64_t prompt_tokens_total = 0, generation_tokens_total = 0;
  std::uint64_t cached_tokens_total = 0;             ///< of the prompt tokens, reused from an earlier request
  std::array<std::uint64_t, 6> finished_total = {};  ///< requests, indexed by StopReason
};

class Engine {
 public:
  /// Creates the context (so it can fail on memory) and starts the thread.
  static Result<std::unique_ptr<Engine>> create(std::shared_ptr<plugin::Model> model,
                                                std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
                                                const Options& options);
  /// Cancels what runs, joins the thread; every listener is finished before it returns. Not from a callback.
  virtual ~Engine() = default;

  /// Queues one or several requests, all or none. kResourceExhausted: queue full; kInvalidArgument: prompt beyond the
  /// context (both numbers named), id or parameter out of range, duplicate id; kUnavailable: draining, or not
  /// healthy(). Callbacks never come from within, and none at all after a failure. [any-thread]
  [[nodiscard]] virtual Result<void> submit(std::vector<std::pair<Request, std::shared_ptr<Listener>>> requests) = 0;
  /// True if the id was live. Its on_finished(kCancelled) follows within one step. [any-thread]
  virtual bool cancel(const std::string& id) = 0;
  [[nodiscard]] virtual Stats stats() const = 0;
  [[nodiscard]] virtual std::uint32_t context_length() const = 0;
  [[nodiscard]] virtual plugin::MemoryUse memory() const = 0;
  /// No new requests; `on_idle` is called once, from the engine's thread, when nothing is queued or running.
  /// [any-thread]
  virtual void drain(std::function<void()> on_idle) = 0;
  /// Cancels everything queued or running. [any-thread]
  virtual void cancel_all() = 0;
  /// False for good once the device failed twice in a row or KV state could not be freed: every request then ends with
  /// kUnavailable, and only a new worker helps. [any-thread]
  [[nodiscard]] virtual bool healthy() const { return true; }
};

}  // namespace llorch::engine
