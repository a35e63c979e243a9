// gpu_check: what a machine with a GPU can run that has a compiler and nothing else. scripts/gpu calls it.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>

#include "bench.hpp"
#include "driver.hpp"
#include "json.hpp"
#include "suites.hpp"

namespace llorch::gpu_check {
namespace {

constexpr int kFailed = 1, kUsage = 2, kNoDevice = 3;

constexpr const char* kHelp =
    R"(usage: gpu_check suites PLUGIN.so [OPTIONS]   tests; exit code 0: all passed
       gpu_check bench PLUGIN.so [OPTIONS]    tokens per second on random weights
suites: --cpu FILE     llama2_cpu.so, to compare with; without it such cases are skipped
        --root DIR     of the repository, .
        --quick        fewer repetitions and types, as compute-sanitizer wants
        --only SUITE   rungs, exactness, cache, agreement, types or life
        --rows N       prompts of the suite "types", 300 (--quick: 140), at most 900
        --types A,B    its types of weights
bench:  --shape 7b|small   7b
        --types A,B        F16,Q8_0,Q4_0,Q4_K
        --kv f16|q8_0|f32  f16
both:   --no-graphs    without CUDA graphs (LLORCH_CUDA_GRAPHS=0)
        --no-overlap   each kernel after the end of the one before (LLORCH_CUDA_OVERLAP=0)
        --limits FILE  what gpu_limits wrote: goes into the tables
        --commit TEXT  goes into the JSON
        --json FILE
Exit code 1: something failed; 2: bad usage; 3: no device.
)";

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Options {
 public:
  Options(int argc, char** argv, int first) {
    static constexpr std::array kFlags{"--quick", "--no-graphs", "--no-overlap"};
    static constexpr std::array kValues{"--cpu", "--root",  "--only",   "--rows",   "--types",
                                        "--kv",  "--shape", "--limits", "--commit", "--json"};
    const auto is_one_of = [](const auto& names, const std::string& name) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    for (int i = first; i < argc; ++i) {
      const std::string name = argv[i];
      if (is_one_of(kFlags, name)) {
        all_[name] = "";
      } else if (is_one_of(kValues, name) && i + 1 < argc) {
        all_[name] = argv[++i];
      } else {
        throw UsageError(name + ": no such option, or its value is missing");
      }
    }
  }

  [[nodiscard]] bool has(const char* name) const { return all_.contains(name); }
  [[nodiscard]] std::string get(const char* name, const std::string& otherwise = {}) const {
    const auto found = all_.find(name);
    return found == all_.end() ? otherwise : found->second;
  }
  [[nodiscard]] std::vector<std::string> list(const char* name, const std::string& otherwise = {}) const {
    std::vector<std::string> out;
    std::istringstream names(get(name, otherwise));
    for (std::string one; std::getline(names, one, ',');)
      out.push_back(one);
    return out;
  }
  [[nodiscard]] std::uint32_t number(const char* name, std::uint32_t least, std::uint32_t most) const {
    const std::string text = get(name);
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most) {
      throw UsageError(std::string(name) + " " + text + ": expected " + std::to_string(least) + " to " +
                       std::to_string(most));
    }
    return value;
  }
  [[nodiscard]] std::string json() const {
    std::string out = "{";
    for (const auto& [name, value] : all_) {
      if (out.size() > 1) out += ',';
      out += json_text(name) + ":" + json_text(value);
    }
    return out + "}";
  }

 private:
  std::map<std::string, std::string> all_;
};

void write(const Options& options, const std::string& json) {
  if (!options.has("--json")) return;
  std::ofstream out(options.get("--json"), std::ios::binary);
  out << json << '\n';
  if (!out.flush()) throw std::runtime_error("cannot write " + options.get("--json"));
}

std::string now() {
  const std::time_t seconds = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char out[32];
  std::strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return out;
}

/// What gpu_limits wrote; an empty object without it.
std::string limits_text(const Options& options) {
  if (!options.has("--limits")) return "{}";
  return read_file(options.get("--limits"));
}

/// What was run, on what, made with what: members of an object.
std::string head(const Plugin& plugin, const llorch_device& device, const Options& options) {
#if defined(LLORCH_NVCC_VERSION)
  const std::string nvcc = json_text(LLORCH_NVCC_VERSION);
#else
  const std::string nvcc = "null";
#endif
  const std::string limits = limits_text(options);
  (void)Json::parse(limits);
  return "\"plugin\":" + json_text(plugin.name()) + ",\"build\":" + json_text(plugin.build()) +
         ",\"commit\":" + json_text(options.get("--commit", "unknown")) + ",\"date\":" + json_text(now()) +
         ",\n \"device\":" + json_text(device.name) + ",\"device_id\":" + json_text(device.id) +
         ",\"memory_bytes\":" + std::to_string(device.mem_total) + ",\"driver\":" + driver_json() +
         ",\"nvcc\":" + nvcc + ",\n \"limits\":" + limits + ",\"options\":" + options.json();
}

int suites(const Plugin& plugin, const llorch_device& device, const Options& options) {
  const std::pair<std::string, void (*)(const Subject&, Report&)> all[] = {
      {"rungs", check_rungs},         {"exactness", check_exactness}, {"cache", check_cache},
      {"agreement", check_agreement}, {"types", check_types},         {"life", check_life}};
  const std::string only = options.get("--only");
  if (options.has("--only") &&
      std::none_of(std::begin(all), std::end(all), [&](const auto& suite) { return suite.first == only; })) {
    throw UsageError("--only " + only + ": no such suite");
  }
  std::unique_ptr<Plugin> cpu;
  if (options.has("--cpu")) cpu = std::make_unique<Plugin>(options.get("--cpu"));
  Subject subject{.plugin = plugin,
                  .cpu = cpu.get(),
                  .root = options.get("--root", "."),
                  .quick = options.has("--quick"),
                  .types = options.list("--types")};
  constexpr std::uint32_t kMostRows = 900;  // the models of the suite have 1024 positions
  if (options.has("--rows")) subject.rows = options.number("--rows", 1, kMostRows);
  for (const std::string& type : subject.types)
    (void)type_named(type);

  const std::string about = head(plugin, device, options);
  // After each case, so that a run that hangs or is ended leaves what it found.
  const auto save = [&](const Report& report, bool complete) {
    write(options, "{" + about + ",\"complete\":" + (complete ? "true" : "false") +
                       ",\"summary\":" + json_text(report.summary()) + ",\n \"cases\":" + report.json() + "}");
  };
  Report report([&](const Report& so_far) { save(so_far, false); });
  for (const auto& [name, check] : all) {
    if (only.empty() || only == name) check(subject, report);
  }
  std::printf("%s\n", report.summary().c_str());
  save(report, true);
  return report.passed() ? 0 : kFailed;
}

std::string json_of(const RandomShape& s) {
  return "{\"name\":" + json_text(s.name) + ",\"layers\":" + std::to_string(s.layers) +
         ",\"dim\":" + std::to_string(s.dim) + ",\"ffn_dim\":" + std::to_string(s.ffn_dim) +
         ",\"heads\":" + std::to_string(s.heads) + ",\"kv_heads\":" + std::to_string(s.kv_heads) +
         ",\"vocab\":" + std::to_string(s.vocab) + "}";
}

int run_bench(const Plugin& plugin, const llorch_device& device, const Options& options) {
  BenchPlan plan;
  const std::string shape = options.get("--shape", "7b");
  if (shape == "small") {
    plan.shape = small_shape();
    plan.prompts = {64, 256};
    plan.depths = {0, 128};
    plan.generated = 8;
    plan.repetitions = 2;
  } else if (shape == "7b") {
    plan.shape = llama_2_7b();
  } else {
    throw UsageError("--shape " + shape + ": expected 7b or small");
  }
  const std::map<std::string, std::uint32_t> kv_types{
      {"f32", LLORCH_DTYPE_F32}, {"f16", LLORCH_DTYPE_F16}, {"q8_0", LLORCH_DTYPE_Q8_0}};
  const auto kv = kv_types.find(options.get("--kv", "f16"));
  if (kv == kv_types.end()) throw UsageError("--kv " + options.get("--kv") + ": expected f16, q8_0 or f32");
  plan.kv_type = kv->second;
  plan.types = options.list("--types", "F16,Q8_0,Q4_0,Q4_K");
  const Json limits = Json::parse(limits_text(options));
  if (const Json* copy = limits.find("copy_bytes_per_second")) plan.copy_bytes_per_second = copy->number;
  if (const Json* gemm = limits.find("bf16_gemm_flops_per_second")) plan.gemm_flops_per_second = gemm->number;
  if (const Json* source = limits.find("bf16_gemm_source")) plan.gemm_source = source->text;

  const std::string about = head(plugin, device, options);
  const BenchResult result = bench(plugin, plan);
  write(options, "{" + about + ",\n \"shape\":" + json_of(plan.shape) + ",\"kv_type\":" + json_text(kv->first) +
                     ",\"passed\":" + (result.passed ? "true" : "false") + ",\n \"results\":" + result.json + "}");
  return result.passed ? 0 : kFailed;
}

int run(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "--help" || command == "-h") {
    std::printf("%s", kHelp);
    return 0;
  }
  if (argc < 3 || (command != "suites" && command != "bench"))
    throw UsageError("expected suites or bench, and a plugin");
  const Options options(argc, argv, 3);
  // NOLINTBEGIN(concurrency-mt-unsafe): nothing else runs yet
  if (options.has("--no-graphs")) (void)setenv("LLORCH_CUDA_GRAPHS", "0", 1);
  if (options.has("--no-overlap")) (void)setenv("LLORCH_CUDA_OVERLAP", "0", 1);
  // NOLINTEND(concurrency-mt-unsafe)
  const Plugin plugin(argv[2]);
  std::string why;
  const auto devices = plugin.devices(why);
  if (devices.empty()) {
    std::printf("skipped: %s has no device: %s\n", plugin.name().c_str(), why.c_str());
    return kNoDevice;
  }
  std::printf("%s (%s) on %s\n", plugin.name().c_str(), plugin.build().c_str(), devices[0].name);
  return command == "suites" ? suites(plugin, devices[0], options) : run_bench(plugin, devices[0], options);
}

}  // namespace
}  // namespace llorch::gpu_check

int main(int argc, char** argv) {
  using llorch::gpu_check::kHelp, llorch::gpu_check::kUsage, llorch::gpu_check::kFailed;
  try {
    return llorch::gpu_check::run(argc, argv);
  } catch (const llorch::gpu_check::UsageError& error) {
    std::fprintf(stderr, "gpu_check: %s\n%s", error.what(), kHelp);
    return kUsage;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "gpu_check: %s\n", failure.what());
    return kFailed;
  }
}
