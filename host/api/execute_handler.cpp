// POST /execute and POST /cancel.
#include "api/admission.hpp"
#include "api/execute_events.hpp"
#include "api/execute_request.hpp"
#include "api/generation.hpp"
#include "api/handlers.hpp"
#include "api/json_writer.hpp"
#include "api/openai_error.hpp"
#include "api/prompt_tokens.hpp"

namespace llorch::api {
namespace {

constexpr std::chrono::seconds kMetricsInterval{1};

struct Prepared {
  Parsed<ExecuteRequest> parsed;
  std::vector<std::int32_t> tokens;
};

// [any-thread]
Prepared prepare(const std::string& body, const Backend& backend) {
  Prepared prepared{parse_execute_request(body), {}};
  if (prepared.parsed.faults.empty()) {
    prepared.tokens = encode_prompt(*backend.tokenizer, prepared.parsed.request.prompt);
    check_prompt_length("prompt", prepared.tokens.size(), backend.engine->context_length(), prepared.parsed.faults);
  }
  return prepared;
}

engine::Request engine_request(Prepared prepared) {
  ExecuteRequest& from = prepared.parsed.request;
  engine::Request request;
  request.id = std::move(from.job_id);
  request.prompt = std::move(prepared.tokens);
  request.max_tokens = from.max_tokens;
  request.sampling = std::move(from.sampling);
  request.stop = std::move(from.stop);
  return request;
}

http::Response faults_response(unsigned status, const std::vector<Fault>& faults) {
  http::Response response;
  response.status = status;
  response.body = faults_json(faults);
  if (status == 429 || status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

http::Response not_serving(Status status) {
  const std::string name(to_string(status));
  return faults_response(503, {{"", "ready", "the worker is not serving: " + name, boost::json::string(name)}});
}

http::Response invalid(const std::vector<Fault>& faults) {
  return faults_response(400, faults);
}

http::Response job_fault(unsigned status, const char* constraint, const char* message, const std::string& job_id) {
  return faults_response(status, {{"job_id", constraint, message, boost::json::string(job_id)}});
}

// A refusal of the engine, in the contract's shape.
http::Response refused(const Error& error, const Backend& backend) {
  if (error.code == ErrorCode::kResourceExhausted) {
    return faults_response(429, {{"", "queue(" + std::to_string(backend.queue_limit) + ")", error.message, nullptr}});
  }
  return faults_response(http_status(error.code), {{"", std::string(to_string(error.code)), error.message, nullptr}});
}

// A job counts as live from its acceptance until it has ended: a slow reader of the stream keeps no job_id.
class LiveJob {
 public:
  LiveJob(Worker& worker, const std::string& id) : worker_(worker), id_(id) {
    accepted_ = worker.live_jobs().insert(id).second;
    live_ = accepted_;
  }
  ~LiveJob() { end(); }
  LiveJob(const LiveJob&) = delete;
  LiveJob& operator=(const LiveJob&) = delete;
  [[nodiscard]] bool accepted() const { return accepted_; }
  void end() {
    if (std::exchange(live_, false)) worker_.live_jobs().erase(id_);
  }

 private:
  Worker& worker_;
  std::string id_;
  bool accepted_ = false;
  bool live_ = false;
};

// Engine events to the contract's events.
class ExecuteStream {
 public:
  ExecuteStream(const Worker& worker, std::string job_id, const Generation& generation)
      : worker_(worker), job_id_(std::move(job_id)), generation_(generation) {}

  void append(std::string& out, const ChannelEvent& event) {
    if (std::holds_alternative<Started>(event.body)) {
      started_ = true;
      append_started(out, job_id_, worker_.identity().model_name, std::chrono::system_clock::now());
    } else if (const auto* token = std::get_if<engine::TokenEvent>(&event.body)) {
      if (tokens_++ == 0) first_token_ = event.at;
      append_text(out, token->text);
    } else if (const auto* end = std::get_if<engine::FinishEvent>(&event.body)) {
      append_text(out, end->text);
      if (generation_.overflowed()) {
        append_error(out, "CANCELLED", "the client reads too slowly: too many tokens waited for it");
      } else {
        append_terminal(out, *end);
      }
    }
  }

  /// `started` is the first event of a stream, so nothing else may be said before.
  [[nodiscard]] bool started() const { return started_; }

  void append_rate(std::string& out, MonotonicTime now) const {
    const double seconds = std::chrono::duration<double>(now - first_token_).count();
    const double rate = tokens_ > 1 && seconds > 0 ? static_cast<double>(tokens_ - 1) / seconds : 0;
    append_metrics(out, rate, worker_.memory().device_bytes);
  }

 private:
  void append_text(std::string& out, const std::string& text) {
    if (!text.empty()) append_token(out, text, events_++);
  }

  const Worker& worker_;
  std::string job_id_;
  const Generation& generation_;
  bool started_ = false;
  std::uint64_t tokens_ = 0;
  std::uint32_t events_ = 0;
  MonotonicTime first_token_;
};

Answer stream_events(Generation& generation, LiveJob& job, ExecuteStream& stream, http::Exchange& exchange) {
  http::Headers headers;  // the transport adds those of every stream
  bool open = co_await exchange.begin_stream(std::move(headers));
  if (!open) generation.cancel();
  MonotonicTime next_metrics = std::chrono::steady_clock::now() + kMetricsInterval;
  while (!generation.done()) {
    const std::vector<ChannelEvent> events = co_await generation.next(next_metrics);
    std::string out;
    const MonotonicTime now = std::chrono::steady_clock::now();
    const bool ended = generation.done();
    if (ended) job.end();
    if (now >= next_metrics) {
      if (stream.started() && !ended) stream.append_rate(out, now);
      next_metrics = now + kMetricsInterval;
    }
    for (const ChannelEvent& event : events)
      stream.append(out, event);
    if (!open || out.empty()) continue;
    open = co_await exchange.write(std::move(out));
    if (!open) generation.cancel();
  }
  if (open) co_await exchange.end_stream();
}

}  // namespace

Answer execute(Worker& worker, const http::Request& request, http::Exchange& exchange) {
  const Refusals refusals{not_serving, invalid};
  std::optional<Admitted<Prepared>> admitted = co_await admit(worker, request, exchange, prepare, refusals);
  if (!admitted) co_return;
  const std::shared_ptr<const Backend> backend = admitted->backend;
  Prepared& prepared = admitted->prepared;
  const std::string job_id = prepared.parsed.request.job_id;
  LiveJob live(worker, job_id);
  if (!live.accepted()) {
    worker.metrics().rejected(Rejection::kInvalid);
    http::Response refusal = job_fault(409, "unique", "a job with this job_id is running or waiting", job_id);
    co_await exchange.respond(std::move(refusal));
    co_return;
  }
  Generation generation(worker, backend, exchange.executor());
  std::vector<engine::Request> sequences;
  sequences.push_back(engine_request(std::move(prepared)));
  const Result<void> queued = generation.submit(std::move(sequences));
  if (queued.has_error()) {
    http::Response refusal = refused(queued.error(), *backend);
    co_await exchange.respond(std::move(refusal));
    co_return;
  }
  exchange.on_disconnect(generation.canceller());
  ExecuteStream stream(worker, job_id, generation);
  co_await stream_events(generation, live, stream, exchange);
}

Answer cancel(Worker& worker, const http::Request& request, http::Exchange& exchange) {
  const Parsed<CancelRequest> parsed = parse_cancel_request(request.body);
  if (!parsed.faults.empty()) {
    http::Response refusal = faults_response(400, parsed.faults);
    co_await exchange.respond(std::move(refusal));
    co_return;
  }
  const std::string& job_id = parsed.request.job_id;
  // Only jobs of /execute: the ids of other routes' requests are not for strangers to end.
  const bool is_job = worker.live_jobs().contains(job_id);
  const bool live = is_job && worker.backend() && worker.backend()->engine->cancel(job_id);
  if (!live) {
    http::Response refusal = job_fault(404, "live", "no job with this job_id is running or waiting", job_id);
    co_await exchange.respond(std::move(refusal));
    co_return;
  }
  http::Response response;
  JsonWriter(response.body).begin_object().member("job_id", job_id).member("status", "cancelled").end_object();
  co_await exchange.respond(std::move(response));
}

}  // namespace llorch::api
