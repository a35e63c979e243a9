// The worker's metrics under its own names and under those that schedulers and dashboards already read (vllm:*).
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "api/metrics.hpp"
#include "engine/engine.hpp"

namespace llorch::api {

/// Why a request was turned away before it was queued.
enum class Rejection : std::uint8_t { kInvalid, kQueueFull, kUnavailable };

/// I/O thread only. Durations are in seconds.
class WorkerMetrics {
 public:
  WorkerMetrics(const std::string& model_name, const std::string& version);

  void token_gap(double seconds);                 ///< between two tokens of one sequence
  void finished(const engine::FinishEvent& end);  ///< once a sequence
  void rejected(Rejection reason);
  void memory(const plugin::MemoryUse& use);
  /// The page of /metrics, with the gauges as `stats` has them.
  [[nodiscard]] std::string expose(const engine::Stats& stats, double uptime_seconds, bool ready);

 private:
  /// One quantity under several names.
  struct Twin {
    std::vector<Number*> numbers;
    void set(double value) const {
      for (Number* number : numbers)
        number->set(value);
    }
  };
  struct TwinHistogram {
    std::vector<Histogram*> histograms;
    void observe(double value) const {
      for (Histogram* histogram : histograms)
        histogram->observe(value);
    }
  };

  Registry registry_;
  Labels labels_;
  Twin running_, waiting_, kv_usage_, prompt_tokens_, generation_tokens_;
  TwinHistogram first_token_, token_gap_, latency_, queue_time_;
  std::map<std::string, std::vector<Number*>, std::less<>> finished_;
  std::map<Rejection, Number*> rejected_;
  Number *uptime_ = nullptr, *ready_ = nullptr, *host_memory_ = nullptr, *device_memory_ = nullptr;
};

/// "stop", "length", "abort" or "error", as the label finished_reason and OpenAI's finish_reason have it.
[[nodiscard]] std::string_view finish_reason(engine::StopReason reason) noexcept;

}  // namespace llorch::api
