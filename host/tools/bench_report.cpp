#include "tools/bench_report.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <boost/json/array.hpp>

namespace llorch::tools {
namespace {

namespace json = boost::json;

constexpr double kGiga = 1e9;
constexpr double kMebi = 1024.0 * 1024.0;

const MachineLimits* limits_for(const BenchReport& report, std::uint32_t threads) {
  const auto it = std::find_if(report.limits.begin(), report.limits.end(),
                               [&](const MachineLimits& l) { return l.threads == threads; });
  return it == report.limits.end() ? nullptr : &*it;
}

}  // namespace

BenchFigures figures(const BenchReport& report, const BenchResult& result) {
  const double seconds = result.test.n / result.median;
  const MachineLimits* limits = limits_for(report, result.threads);
  BenchFigures f;
  if (result.test.kind == BenchTest::Kind::kPrompt) {
    f.gflops = report.work.prompt_flops(result.test.n) / seconds / kGiga;
    if (limits != nullptr) f.share = f.gflops * kGiga / limits->flops_per_second;
  } else {
    f.gflops = report.work.generation_flops(result.test.n) / seconds / kGiga;
    f.gbytes = report.work.generation_bytes(result.test.n, result.kv_bytes_per_token) / seconds / kGiga;
    if (limits != nullptr && limits->read_bytes_per_second > 0) {
      f.share = f.gbytes * kGiga / limits->read_bytes_per_second;
    }
  }
  return f;
}

std::string to_markdown(const BenchReport& report) {
  std::string out =
      fmt::format("{} ({}, {:.1f} M parameters, {:.1f} MiB), plugin {} {}\n\n", report.model, report.architecture,
                  static_cast<double>(report.work.parameters) / 1e6,
                  static_cast<double>(report.work.file_bytes) / kMebi, report.plugin, report.plugin_version);
  out += "| threads | test | t/s | median t/s | ms/token | GB/s | GFLOP/s | of the limit |\n";
  out += "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
  for (const BenchResult& r : report.results) {
    const BenchFigures f = figures(report, r);
    const bool prompt = r.test.kind == BenchTest::Kind::kPrompt;
    out += fmt::format("| {} | {} | {:.2f} ± {:.2f} | {:.2f} | {:.3f} | {} | {:.1f} | {} |\n", r.threads, r.test.name(),
                       r.mean, r.stddev, r.median, 1e3 / r.median, prompt ? "-" : fmt::format("{:.2f}", f.gbytes),
                       f.gflops,
                       f.share > 0 ? fmt::format("{:.0f} % of {}", 100 * f.share, prompt ? "FLOP/s" : "GB/s") : "-");
  }
  if (!report.limits.empty()) out += "\nLimits of this machine, measured at the start:\n";
  for (const MachineLimits& l : report.limits) {
    out +=
        fmt::format("- {} {}: reads {:.2f} GB/s{}, float32 multiply-adds {:.1f} GFLOP/s ({})\n", l.threads,
                    l.threads == 1 ? "thread" : "threads", l.read_bytes_per_second / kGiga,
                    l.from_memory() ? ""
                                    : fmt::format(" (a buffer of {:.0f} MiB, not four times the cache of {:.0f} MiB)",
                                                  static_cast<double>(l.buffer_bytes) / kMebi,
                                                  static_cast<double>(l.cache_bytes) / kMebi),
                    l.flops_per_second / kGiga, l.instructions);
  }
  if (!report.limits.empty() && report.work.bytes_per_token < report.limits.front().cache_bytes) {
    out += fmt::format(
        "\nWhat a token reads ({:.1f} MiB) fits the cache ({:.0f} MiB), so generation may exceed what memory "
        "delivers.\n",
        static_cast<double>(report.work.bytes_per_token) / kMebi,
        static_cast<double>(report.limits.front().cache_bytes) / kMebi);
  }
  return out;
}

json::object to_json(const BenchReport& report) {
  json::object root;
  root["model"] = {{"path", report.model},
                   {"architecture", report.architecture},
                   {"parameters", report.work.parameters},
                   {"bytes", report.work.file_bytes},
                   {"bytes_in_memory", report.weights_in_memory},
                   {"bytes_per_token", report.work.bytes_per_token}};
  root["plugin"] = {{"id", report.plugin}, {"version", report.plugin_version}, {"build", report.plugin_build}};
  root["batch_tokens"] = report.batch_tokens;
  root["kv_type"] = report.kv_type;
  json::array limits;
  for (const MachineLimits& l : report.limits) {
    limits.push_back({{"threads", l.threads},
                      {"read_bytes_per_second", l.read_bytes_per_second},
                      {"flops_per_second", l.flops_per_second},
                      {"instructions", l.instructions},
                      {"buffer_bytes", l.buffer_bytes},
                      {"cache_bytes", l.cache_bytes},
                      {"from_memory", l.from_memory()}});
  }
  root["limits"] = std::move(limits);
  json::array results;
  for (const BenchResult& r : report.results) {
    const BenchFigures f = figures(report, r);
    json::object o;
    o["test"] = r.test.name();
    o["n_prompt"] = r.test.kind == BenchTest::Kind::kPrompt ? r.test.n : 0;
    o["n_gen"] = r.test.kind == BenchTest::Kind::kGeneration ? r.test.n : 0;
    o["threads"] = r.threads;
    o["avg_ts"] = r.mean;
    o["stddev_ts"] = r.stddev;
    o["median_ts"] = r.median;
    o["seconds"] = json::array(r.seconds.begin(), r.seconds.end());
    o["gflops"] = f.gflops;
    o["gbytes_per_second"] = f.gbytes > 0 ? json::value(f.gbytes) : json::value(nullptr);
    o["share_of_limit"] = f.share > 0 ? json::value(f.share) : json::value(nullptr);
    results.push_back(std::move(o));
  }
  root["results"] = std::move(results);
  return root;
}

}  // namespace llorch::tools
