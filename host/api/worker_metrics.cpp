#include "api/worker_metrics.hpp"

namespace llorch::api {
namespace {

const std::vector<double> kLatencyBuckets = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,   1.0,
                                             2.5,   5.0,  10.0,  20.0, 40., 80.0, 160.0, 320.0};
const std::vector<double> kFirstTokenBuckets = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                0.25,  0.5,    1.0,   2.5,  5.0,   10.0, 30.0};
const std::vector<double> kGapBuckets = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                         0.025,  0.05,    0.1,    0.25,  0.5,    1.0};

Labels with(Labels labels, std::string name, std::string value) {
  labels.emplace_back(std::move(name), std::move(value));
  return labels;
}

}  // namespace

std::string_view finish_reason(engine::StopReason reason) noexcept {
  switch (reason) {
    case engine::StopReason::kEos:
    case engine::StopReason::kStopSequence:
      return "stop";
    case engine::StopReason::kMaxTokens:
    case engine::StopReason::kContextFull:
      return "length";
    case engine::StopReason::kCancelled:
      return "abort";
    case engine::StopReason::kError:
      return "error";
  }
  return "error";
}

WorkerMetrics::WorkerMetrics(const std::string& model_name, const std::string& version)
    : labels_({{"model_name", model_name}}) {
  const auto gauge = [&](const char* ours, const char* theirs, const char* help) {
    return Twin{{&registry_.gauge(ours, help, labels_), &registry_.gauge(theirs, help, labels_)}};
  };
  const auto counter = [&](const char* ours, const char* theirs, const char* help) {
    return Twin{{&registry_.counter(ours, help, labels_), &registry_.counter(theirs, help, labels_)}};
  };
  const auto histogram = [&](const char* ours, const char* theirs, const char* help,
                             const std::vector<double>& bounds) {
    return TwinHistogram{
        {&registry_.histogram(ours, help, bounds, labels_), &registry_.histogram(theirs, help, bounds, labels_)}};
  };
  running_ = gauge("llorch_requests_running", "vllm:num_requests_running", "Sequences being computed.");
  waiting_ = gauge("llorch_requests_waiting", "vllm:num_requests_waiting", "Sequences in the queue.");
  kv_usage_ = gauge("llorch_kv_cache_usage_ratio", "vllm:kv_cache_usage_perc", "Share of the KV cache in use, 0 to 1.");
  prompt_tokens_ = counter("llorch_prompt_tokens_total", "vllm:prompt_tokens_total", "Prompt tokens processed.");
  generation_tokens_ = counter("llorch_generation_tokens_total", "vllm:generation_tokens_total", "Tokens generated.");
  first_token_ = histogram("llorch_time_to_first_token_seconds", "vllm:time_to_first_token_seconds",
                           "From the request's arrival in the queue to its first token.", kFirstTokenBuckets);
  token_gap_ = histogram("llorch_inter_token_latency_seconds", "vllm:inter_token_latency_seconds",
                         "Between consecutive tokens of a sequence.", kGapBuckets);
  latency_ = histogram("llorch_request_latency_seconds", "vllm:e2e_request_latency_seconds",
                       "From the request's arrival in the queue to its end.", kLatencyBuckets);
  queue_time_ = histogram("llorch_request_queue_time_seconds", "vllm:request_queue_time_seconds",
                          "Spent waiting in the queue.", kLatencyBuckets);
  for (const char* name : {"llorch_requests_finished_total", "vllm:request_success_total"}) {
    for (const char* reason : {"stop", "length", "abort", "error"}) {
      finished_[reason].push_back(
          &registry_.counter(name, "Sequences that ended, by reason.", with(labels_, "finished_reason", reason)));
    }
  }
  const auto rejection = [&](const char* reason) {
    return &registry_.counter("llorch_requests_rejected_total", "Requests turned away before they were queued.",
                              with(labels_, "reason", reason));
  };
  rejected_ = {{Rejection::kInvalid, rejection("invalid")},
               {Rejection::kQueueFull, rejection("queue_full")},
               {Rejection::kUnavailable, rejection("unavailable")}};
  host_memory_ = &registry_.gauge("llorch_memory_bytes", "Memory of weights, KV cache and scratch.",
                                  with(labels_, "device", "host"));
  device_memory_ = &registry_.gauge("llorch_memory_bytes", "Memory of weights, KV cache and scratch.",
                                    with(labels_, "device", "accelerator"));
  uptime_ = &registry_.gauge("llorch_uptime_seconds", "Since the worker started.");
  ready_ = &registry_.gauge("llorch_ready", "1 while requests are served, 0 otherwise.");
  registry_.gauge("llorch_build_info", "Version of the worker; always 1.", {{"version", version}}).set(1);
}

void WorkerMetrics::token_gap(double seconds) {
  token_gap_.observe(seconds);
}

void WorkerMetrics::finished(const engine::FinishEvent& end) {
  for (Number* number : finished_.find(finish_reason(end.reason))->second)
    number->add();
  const engine::Timings& times = end.timings;
  queue_time_.observe(times.queue);
  latency_.observe(times.queue + times.prompt + times.decode);
  if (end.completion_tokens > 0) first_token_.observe(times.time_to_first_token);
}

void WorkerMetrics::rejected(Rejection reason) {
  rejected_.at(reason)->add();
}

void WorkerMetrics::memory(const plugin::MemoryUse& use) {
  host_memory_->set(static_cast<double>(use.total() - use.device_bytes));
  device_memory_->set(static_cast<double>(use.device_bytes));
}

std::string WorkerMetrics::expose(const engine::Stats& stats, double uptime_seconds, bool ready) {
  running_.set(stats.running);
  waiting_.set(stats.waiting);
  kv_usage_.set(stats.kv_usage);
  prompt_tokens_.set(static_cast<double>(stats.prompt_tokens_total));
  generation_tokens_.set(static_cast<double>(stats.generation_tokens_total));
  uptime_->set(uptime_seconds);
  ready_->set(ready ? 1 : 0);
  return registry_.expose();
}

}  // namespace llorch::api
