// gpu_check: what a machine with a GPU can run that has a compiler and nothing else. scripts/gpu calls it.
//   gpu_check suites PLUGIN.so [--cpu LLAMA2_CPU.so] [--root DIR] [--quick] [--only SUITE] [--json FILE]
//   gpu_check bench PLUGIN.so [--shape 7b|small] [--types F16,Q8_0,...] [--limits FILE] [--json FILE]
// Exit code 0: everything passed; 1: something failed; 2: bad usage; 3: no device.
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>

#include "bench.hpp"
#include "json.hpp"
#include "suites.hpp"

namespace llorch::gpu_check {
namespace {

constexpr int kFailed = 1, kUsage = 2, kNoDevice = 3;

using Options = std::map<std::string, std::string>;

void write(const Options& options, const std::string& json) {
  const auto file = options.find("--json");
  if (file == options.end()) return;
  std::ofstream out(file->second, std::ios::binary);
  out << json << '\n';
  if (!out.flush()) throw std::runtime_error("cannot write " + file->second);
}

std::string head(const Plugin& plugin, const std::vector<llorch_device>& devices) {
  return "\"plugin\":" + json_text(plugin.name()) + ",\"build\":" + json_text(plugin.build()) +
         ",\"device\":" + json_text(devices[0].name) + ",\"memory_bytes\":" + std::to_string(devices[0].mem_total);
}

int suites(const Plugin& plugin, const std::vector<llorch_device>& devices, const Options& options) {
  std::unique_ptr<Plugin> cpu;
  if (const auto path = options.find("--cpu"); path != options.end()) cpu = std::make_unique<Plugin>(path->second);
  const auto root = options.find("--root");
  const Subject subject{plugin, cpu.get(), root == options.end() ? "." : root->second, options.contains("--quick")};
  const std::pair<const char*, void (*)(const Subject&, Report&)> all[] = {{"rungs", check_rungs},
                                                                           {"exactness", check_exactness},
                                                                           {"cache", check_cache},
                                                                           {"agreement", check_agreement},
                                                                           {"life", check_life}};
  Report report;
  const auto only = options.find("--only");
  for (const auto& [name, check] : all) {
    if (only == options.end() || only->second == name) check(subject, report);
  }
  std::printf("%s\n", report.summary().c_str());
  write(options, "{" + head(plugin, devices) + ",\"summary\":" + json_text(report.summary()) +
                     ",\"cases\":" + report.json() + "}");
  return report.passed() ? 0 : kFailed;
}

int run_bench(const Plugin& plugin, const std::vector<llorch_device>& devices, const Options& options) {
  BenchPlan plan;
  const auto shape = options.find("--shape");
  plan.shape = shape != options.end() && shape->second == "small" ? small_shape() : llama_2_7b();
  if (shape != options.end() && shape->second == "small") {
    plan.prompts = {64, 256};
    plan.depths = {0, 128};
    plan.generated = 8;
    plan.repetitions = 2;
  }
  const auto types = options.find("--types");
  std::istringstream names(types == options.end() ? "F16,Q8_0,Q4_0,Q4_K" : types->second);
  for (std::string name; std::getline(names, name, ',');)
    plan.types.push_back(name);
  if (const auto limits = options.find("--limits"); limits != options.end()) {
    const Json json = Json::parse(read_file(limits->second));
    plan.copy_bytes_per_second = json.at("copy_bytes_per_second").number;
    plan.gemm_flops_per_second = json.at("bf16_gemm_flops_per_second").number;
  }
  write(options, "{" + head(plugin, devices) + ",\"shape\":" + json_text(plan.shape.name) +
                     ",\"copy_bytes_per_second\":" + std::to_string(plan.copy_bytes_per_second) +
                     ",\"bf16_gemm_flops_per_second\":" + std::to_string(plan.gemm_flops_per_second) +
                     ",\"results\":" + bench(plugin, plan) + "}");
  return 0;
}

int usage() {
  std::fprintf(stderr,
               "usage: gpu_check suites PLUGIN.so [--cpu FILE] [--root DIR] [--quick] [--only SUITE] [--json FILE]\n"
               "       gpu_check bench PLUGIN.so [--shape 7b|small] [--types F16,...] [--limits FILE] [--json FILE]\n");
  return kUsage;
}

int run(int argc, char** argv) {
  if (argc < 3) return usage();
  const std::string command = argv[1];
  Options options;
  for (int i = 3; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--quick") {
      options[name] = "";
    } else if (name.starts_with("--") && i + 1 < argc) {
      options[name] = argv[++i];
    } else {
      return usage();
    }
  }
  const Plugin plugin(argv[2]);
  std::string why;
  const auto devices = plugin.devices(why);
  if (devices.empty()) {
    std::printf("skipped: %s has no device: %s\n", plugin.name().c_str(), why.c_str());
    return kNoDevice;
  }
  std::printf("%s (%s) on %s\n", plugin.name().c_str(), plugin.build().c_str(), devices[0].name);
  if (command == "suites") return suites(plugin, devices, options);
  if (command == "bench") return run_bench(plugin, devices, options);
  return usage();
}

}  // namespace
}  // namespace llorch::gpu_check

int main(int argc, char** argv) {
  try {
    return llorch::gpu_check::run(argc, argv);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "gpu_check: %s\n", failure.what());
    return 1;
  }
}
