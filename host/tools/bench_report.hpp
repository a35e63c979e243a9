// The results of `bench` as a table and as JSON.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "tools/bench_measure.hpp"
#include "tools/bench_work.hpp"
#include "tools/machine_limits.hpp"

namespace llorch::tools {

struct BenchReport {
  std::string model, architecture, plugin, plugin_version, plugin_build;
  ModelWork work;
  std::uint64_t weights_in_memory = 0;  ///< bytes, as the plugin says
  std::uint32_t batch_tokens = 0;
  std::string kv_type = "default";
  std::vector<MachineLimits> limits;  ///< one for each thread count, or none
  std::vector<BenchResult> results;
};

/// Derived from one result. A share is of the limit that binds it: arithmetic for prompts, memory for generation; 0
/// when the limits were not measured.
struct BenchFigures {
  double gflops = 0;
  double gbytes = 0;  ///< per second; 0 for prompts, which read the weights once a chunk
  double share = 0;
};
[[nodiscard]] BenchFigures figures(const BenchReport& report, const BenchResult& result);

[[nodiscard]] std::string to_markdown(const BenchReport& report);
[[nodiscard]] boost::json::object to_json(const BenchReport& report);

}  // namespace llorch::tools
