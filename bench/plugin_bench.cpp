// Speed of a plugin's forward pass, without a host around it: prefill and decode as llama-bench defines them, on a
// model file or on a GPT-2 of random weights. One JSON object per measurement on stdout.
#include <dlfcn.h>
#include <llorch/llorch_plugin.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "model_file/model_file.hpp"
#include "random_gpt2.hpp"

namespace {

/// Seconds of the clock, or of processor time, which other processes disturb less.
bool use_cpu_time = false;
double now() {
  if (use_cpu_time) {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void check(llorch_status status, const llorch_error& error) {
  if (status != LLORCH_OK) throw std::runtime_error("status " + std::to_string(status) + ": " + error.message);
}

struct Options {
  std::string plugin, model, type = "f32";
  int n_prompt = 512, n_gen = 64, repetitions = 5, depth = 0;
  std::vector<unsigned> threads = {1};
};

class Bench {
 public:
  Bench(const llorch_plugin_api& api, llorch_model* model, std::uint32_t max_tokens, unsigned n_threads,
        unsigned n_vocab)
      : api_(api), n_vocab_(n_vocab) {
    llorch_context_params params{};
    params.struct_size = sizeof params;
    params.max_tokens = max_tokens;
    params.max_batch_tokens = std::min(max_tokens, 2048u);
    params.max_output_rows = 1;
    params.n_threads = n_threads;
    check(api_.context_create(model, &params, &context_, &error_), error_);
  }
  ~Bench() { api_.context_destroy(context_); }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  void clear() { check(api_.kv_seq_remove(context_, 0, -1, -1, &error_), error_); }
  /// n tokens in one batch from position `from` on, logits for the last.
  void feed(int from, int n) {
    const auto size = static_cast<std::size_t>(n);
    std::vector<std::int32_t> tokens(size), positions(size), seqs(size, 0);
    std::vector<std::uint32_t> flags(size, 0);
    for (int i = 0; i < n; ++i) {
      tokens[static_cast<std::size_t>(i)] =
          static_cast<std::int32_t>(static_cast<unsigned>(from + i) * 7919u % n_vocab_);
      positions[static_cast<std::size_t>(i)] = from + i;
    }
    flags.back() = LLORCH_OUTPUT_LOGITS;
    const llorch_batch batch{sizeof batch, static_cast<std::uint32_t>(n), tokens.data(), positions.data(), seqs.data(),
                             flags.data()};
    llorch_output out{};
    out.struct_size = sizeof out;
    check(api_.forward(context_, &batch, &out, &error_), error_);
  }

 private:
  const llorch_plugin_api& api_;
  unsigned n_vocab_;
  llorch_context* context_ = nullptr;
  llorch_error error_{sizeof(llorch_error), 0, {}};
};

/// What the matrices of a model cost.
struct Work {
  double block_elements = 0;   // that every prompt token multiplies
  double matrix_elements = 0;  // that every generated token multiplies
  double matrix_bytes = 0;
  unsigned n_vocab = 1;
};
Work work_of(const llorch_source& source) {
  Work work;
  double embedding_elements = 0;
  double embedding_bytes = 0;
  bool own_output = false;
  for (std::uint64_t i = 0; i < source.n_tensors; ++i) {
    llorch_tensor t{};
    t.struct_size = sizeof t;
    if (source.tensor_at(&source, i, &t) != LLORCH_OK || t.n_dims != 2) continue;
    const std::string name(t.name.data, t.name.size);
    const double elements = static_cast<double>(t.dims[0]) * static_cast<double>(t.dims[1]);
    if (name == "token_embd.weight") {
      work.n_vocab = static_cast<unsigned>(t.dims[0]);
      embedding_elements = elements;
      embedding_bytes = static_cast<double>(t.nbytes);
    } else if (name.starts_with("blk.") || name == "output.weight") {
      own_output = own_output || name == "output.weight";
      if (name != "output.weight") work.block_elements += elements;
      work.matrix_elements += elements;
      work.matrix_bytes += static_cast<double>(t.nbytes);
    }
  }
  if (!own_output) {
    work.matrix_elements += embedding_elements;
    work.matrix_bytes += embedding_bytes;
  }
  return work;
}

std::uint32_t dtype_of(const std::string& type) {
  if (type == "f16") return LLORCH_DTYPE_F16;
  return type == "bf16" ? LLORCH_DTYPE_BF16 : LLORCH_DTYPE_F32;
}

void report(const Options& o, const char* test, unsigned threads, int n, std::vector<double> seconds, double flops,
            double bytes) {
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  std::printf(
      "{\"test\": \"%s\", \"model\": \"%s\", \"threads\": %u, \"depth\": %d, \"tokens\": %d, \"tok_s_median\": %.2f, "
      "\"tok_s_best\": %.2f, \"tok_s_worst\": %.2f, \"gflop_s_best\": %.1f, \"gb_s_best\": %.2f}\n",
      test, (o.model.empty() ? o.type : o.model).c_str(), threads, o.depth, n, n / median, n / seconds.front(),
      n / seconds.back(), flops / seconds.front() / 1e9, bytes / seconds.front() / 1e9);
  std::fflush(stdout);
}

int run(const Options& o) {
  void* library = dlopen(o.plugin.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw std::runtime_error(dlerror());
  const auto open = reinterpret_cast<decltype(&llorch_plugin_open)>(dlsym(library, "llorch_plugin_open"));
  if (open == nullptr) throw std::runtime_error(o.plugin + ": no llorch_plugin_open");
  llorch_host_api host{};
  host.struct_size = sizeof host;
  host.abi_version = LLORCH_ABI_VERSION;
  host.log = [](void*, std::int32_t, llorch_str) {};
  host.get_option = [](void*, const char*, llorch_str* out) {
    *out = {nullptr, 0};
    return static_cast<llorch_status>(LLORCH_NOT_FOUND);
  };
  host.is_cancelled = [](void*, const llorch_context*) { return std::int32_t{0}; };
  host.get_extension = [](void*, const char*) -> const void* { return nullptr; };

  llorch_error error{sizeof error, 0, {}};
  llorch_plugin* plugin = nullptr;
  const llorch_plugin_api* api = nullptr;
  check(open(LLORCH_ABI_VERSION, &host, &plugin, &api, &error), error);
  std::unique_ptr<llorch::model_file::ModelFile> file;
  std::unique_ptr<llorch::bench::RandomGpt2> random;
  if (!o.model.empty()) {
    auto opened = llorch::model_file::ModelFile::open(o.model);
    if (!opened) throw std::runtime_error(opened.error().message);
    file = std::move(*opened);
  } else {
    random = std::make_unique<llorch::bench::RandomGpt2>(llorch::bench::kGpt2Small, dtype_of(o.type));
  }
  const llorch_source& source = file ? file->source() : random->source();
  const Work work = work_of(source);
  const llorch_model_params model_params{sizeof model_params, 0};
  llorch_model* model = nullptr;
  const double load_start = now();
  check(api->model_create(plugin, &source, &model_params, &model, &error), error);
  std::printf("{\"test\": \"load\", \"model\": \"%s\", \"seconds\": %.3f}\n",
              (o.model.empty() ? o.type : o.model).c_str(), now() - load_start);

  for (const unsigned threads : o.threads) {
    const auto capacity = static_cast<std::uint32_t>(o.depth + std::max(o.n_prompt, o.n_gen));
    Bench bench(*api, model, capacity, threads, work.n_vocab);
    const auto measure = [&](const char* test, int n, double flops, double bytes, auto&& body) {
      std::vector<double> seconds;
      for (int r = -1; r < o.repetitions; ++r) {  // the first one warms up
        bench.clear();
        if (o.depth > 0) bench.feed(0, o.depth);
        const double start = now();
        body();
        if (r >= 0) seconds.push_back(now() - start);
      }
      report(o, test, threads, n, seconds, flops, bytes);
    };
    if (o.n_prompt > 0) {
      measure("prefill", o.n_prompt, 2 * work.block_elements * o.n_prompt, 0, [&] { bench.feed(o.depth, o.n_prompt); });
    }
    if (o.n_gen > 0) {
      measure("decode", o.n_gen, 2 * work.matrix_elements * o.n_gen, work.matrix_bytes * o.n_gen, [&] {
        for (int i = 0; i < o.n_gen; ++i)
          bench.feed(o.depth + i, 1);
      });
    }
  }
  api->model_destroy(model);
  api->close(plugin);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Speed of a plugin on a model file, or on a GPT-2 of 124 M random weights");
  Options o;
  app.add_option("plugin", o.plugin, "The plugin's .so")->required();
  app.add_option("-m,--model", o.model, "A model file; without it, random weights");
  app.add_option("--type", o.type, "Type of the random matrices")->check(CLI::IsMember({"f32", "f16", "bf16"}));
  app.add_option("-p,--n-prompt", o.n_prompt, "Tokens of the prompt, in one batch; 0: skip");
  app.add_option("-n,--n-gen", o.n_gen, "Tokens to generate; 0: skip");
  app.add_option("-r,--repetitions", o.repetitions, "Measurements of each");
  app.add_option("-d,--depth", o.depth, "Tokens in the cache before each measurement");
  app.add_option("-t,--threads", o.threads, "Thread counts to measure")->delimiter(',');
  app.add_flag("--cpu-time", use_cpu_time, "Measure processor time of all threads instead of elapsed time");
  CLI11_PARSE(app, argc, argv);
  try {
    return run(o);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "plugin_bench: %s\n", error.what());
    return 1;
  }
}
