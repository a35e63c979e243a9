// Speed of a plugin's forward pass on a model of random weights, without a host: prefill and decode as llama-bench
// defines them. One JSON object per measurement on stdout.
#include <dlfcn.h>
#include <llorch/llorch_plugin.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

struct Shape {
  std::uint64_t n_layers, n_heads, dim, ffn_dim, n_vocab, n_positions;
};

/// A GPT-2 of random weights that exist only while they are read.
class RandomGpt2 {
 public:
  RandomGpt2(const Shape& shape, std::uint32_t dtype) : shape_(shape), dtype_(dtype), noise_(kNoise) {
    std::uint32_t state = 12345;
    for (std::uint32_t& word : noise_) {
      state = state * 1664525u + 1013904223u;
      const float value = (static_cast<float>(state >> 8) / 16777216.0f - 0.5f) * 0.08f;
      if (dtype == LLORCH_DTYPE_F32) {
        std::memcpy(&word, &value, sizeof word);
      } else {
        const std::uint32_t half = dtype == LLORCH_DTYPE_F16 ? 0x2400u + (state >> 22) : 0x3c80u + (state >> 25);
        word = half | (half ^ 0x8000u) << 16;
      }
    }
    const auto [n_layers, n_heads, dim, ffn_dim, n_vocab, n_positions] = shape;
    add("token_embd.weight", {n_vocab, dim});
    add("position_embd.weight", {n_positions, dim});
    for (std::uint64_t i = 0; i < n_layers; ++i) {
      const std::string block = "blk." + std::to_string(i) + ".";
      layer(block + "attn_norm", {dim});
      layer(block + "attn_qkv", {3 * dim, dim});
      layer(block + "attn_output", {dim, dim});
      layer(block + "ffn_norm", {dim});
      layer(block + "ffn_up", {ffn_dim, dim});
      layer(block + "ffn_down", {dim, ffn_dim});
    }
    layer("output_norm", {dim});
    source_.struct_size = sizeof source_;
    source_.impl = this;
    source_.n_tensors = tensors_.size();
    source_.tensor_at = [](const llorch_source* s, std::uint64_t index, llorch_tensor* out) {
      return self(s).at(index, out);
    };
    source_.tensor_find = [](const llorch_source* s, llorch_str name, llorch_tensor* out) {
      const auto found = self(s).index_.find(std::string(name.data, name.size));
      return found == self(s).index_.end() ? static_cast<llorch_status>(LLORCH_NOT_FOUND)
                                           : self(s).at(found->second, out);
    };
    source_.tensor_read = [](const llorch_source* s, std::uint64_t index, std::uint64_t offset, void* dst,
                             std::uint64_t n) { return self(s).read(index, offset, dst, n); };
    source_.meta_get = [](const llorch_source* s, llorch_str key, llorch_value* out) {
      return self(s).meta(std::string(key.data, key.size), out);
    };
  }
  RandomGpt2(const RandomGpt2&) = delete;
  RandomGpt2& operator=(const RandomGpt2&) = delete;

  [[nodiscard]] const llorch_source& source() const { return source_; }
  /// Bytes of the matrices that every generated token multiplies.
  [[nodiscard]] double matrix_bytes() const { return matrix_elements() * (dtype_ == LLORCH_DTYPE_F32 ? 4.0 : 2.0); }
  [[nodiscard]] double matrix_elements() const {
    const auto& s = shape_;
    return static_cast<double>(s.n_layers * (4 * s.dim * s.dim + 2 * s.dim * s.ffn_dim) + s.n_vocab * s.dim);
  }
  [[nodiscard]] double block_elements() const {
    return matrix_elements() - static_cast<double>(shape_.n_vocab * shape_.dim);
  }

 private:
  static constexpr std::size_t kNoise = (std::size_t{1} << 18) + 7;
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> dims;
    std::uint32_t dtype;
  };
  static const RandomGpt2& self(const llorch_source* s) { return *static_cast<const RandomGpt2*>(s->impl); }

  void add(const std::string& name, std::vector<std::uint64_t> dims) {
    index_[name] = tensors_.size();
    const bool matrix = dims.size() == 2;
    tensors_.push_back({name, std::move(dims), matrix ? dtype_ : static_cast<std::uint32_t>(LLORCH_DTYPE_F32)});
  }
  void layer(const std::string& name, std::vector<std::uint64_t> dims) {
    add(name + ".weight", dims);
    add(name + ".bias", {dims[0]});
  }
  llorch_status at(std::uint64_t index, llorch_tensor* out) const {
    const Tensor& t = tensors_.at(index);
    out->dtype = t.dtype;
    out->name = {t.name.data(), t.name.size()};
    out->n_dims = static_cast<std::uint32_t>(t.dims.size());
    out->index = static_cast<std::uint32_t>(index);
    std::copy(t.dims.begin(), t.dims.end(), out->dims);
    out->data = nullptr;
    const std::uint64_t count = std::accumulate(t.dims.begin(), t.dims.end(), std::uint64_t{1}, std::multiplies<>());
    out->nbytes = count * (t.dtype == LLORCH_DTYPE_F32 ? 4 : 2);
    return LLORCH_OK;
  }
  llorch_status read(std::uint64_t index, std::uint64_t offset, void* dst, std::uint64_t n) const {
    auto* out = static_cast<unsigned char*>(dst);
    if (tensors_.at(index).dims.size() == 1) {
      std::memset(out, 0, n);
      return LLORCH_OK;
    }
    const auto* noise = reinterpret_cast<const unsigned char*>(noise_.data());
    const std::uint64_t period = noise_.size() * sizeof(std::uint32_t);
    for (std::uint64_t from = (offset + index * 4096) % period; n > 0; from = 0) {
      const std::uint64_t step = std::min(n, period - from);
      std::memcpy(out, noise + from, step);
      out += step;
      n -= step;
    }
    return LLORCH_OK;
  }
  [[nodiscard]] llorch_status meta(const std::string& key, llorch_value* out) const {
    const auto number = [&](std::uint64_t value) {
      out->type = LLORCH_VALUE_U64;
      out->u.u64 = value;
      return static_cast<llorch_status>(LLORCH_OK);
    };
    if (key == "general.architecture") {
      out->type = LLORCH_VALUE_STR;
      out->u.str = {"gpt2", 4};
      return LLORCH_OK;
    }
    if (key == "gpt2.block_count") return number(shape_.n_layers);
    if (key == "gpt2.embedding_length") return number(shape_.dim);
    if (key == "gpt2.attention.head_count") return number(shape_.n_heads);
    if (key == "gpt2.feed_forward_length") return number(shape_.ffn_dim);
    if (key == "gpt2.context_length") return number(shape_.n_positions);
    return LLORCH_NOT_FOUND;
  }

  Shape shape_;
  std::uint32_t dtype_;
  std::vector<std::uint32_t> noise_;
  std::vector<Tensor> tensors_;
  std::map<std::string, std::uint64_t> index_;
  llorch_source source_{};
};

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
  std::string plugin, type = "f32";
  int n_prompt = 512, n_gen = 64, repetitions = 5, depth = 0;
  std::vector<unsigned> threads = {1};
};

class Bench {
 public:
  Bench(const llorch_plugin_api& api, llorch_model* model, std::uint32_t max_tokens, unsigned n_threads) : api_(api) {
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
          static_cast<std::int32_t>((static_cast<unsigned>(from + i) * 7919u) % 50000u);
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
  llorch_context* context_ = nullptr;
  llorch_error error_{sizeof(llorch_error), 0, {}};
};

void report(const Options& o, const char* test, unsigned threads, int n, std::vector<double> seconds, double flops,
            double bytes) {
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  std::printf(
      "{\"test\": \"%s\", \"type\": \"%s\", \"threads\": %u, \"depth\": %d, \"tokens\": %d, \"tok_s_median\": %.2f, "
      "\"tok_s_best\": %.2f, \"tok_s_worst\": %.2f, \"gflop_s_best\": %.1f, \"gb_s_best\": %.2f}\n",
      test, o.type.c_str(), threads, o.depth, n, n / median, n / seconds.front(), n / seconds.back(),
      flops / seconds.front() / 1e9, bytes / seconds.front() / 1e9);
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
  const std::uint32_t dtype = o.type == "f32"   ? LLORCH_DTYPE_F32
                              : o.type == "f16" ? LLORCH_DTYPE_F16
                                                : LLORCH_DTYPE_BF16;
  const RandomGpt2 gpt2({12, 12, 768, 3072, 50257, 1024}, dtype);
  const llorch_model_params model_params{sizeof model_params, 0};
  llorch_model* model = nullptr;
  const double load_start = now();
  check(api->model_create(plugin, &gpt2.source(), &model_params, &model, &error), error);
  std::printf("{\"test\": \"load\", \"type\": \"%s\", \"seconds\": %.3f}\n", o.type.c_str(), now() - load_start);

  for (const unsigned threads : o.threads) {
    const auto capacity = static_cast<std::uint32_t>(o.depth + std::max(o.n_prompt, o.n_gen));
    Bench bench(*api, model, capacity, threads);
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
      measure("prefill", o.n_prompt, 2 * gpt2.block_elements() * o.n_prompt, 0,
              [&] { bench.feed(o.depth, o.n_prompt); });
    }
    if (o.n_gen > 0) {
      measure("decode", o.n_gen, 2 * gpt2.matrix_elements() * o.n_gen, gpt2.matrix_bytes() * o.n_gen, [&] {
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
  CLI::App app("Speed of a plugin on a GPT-2 of 124 M random weights");
  Options o;
  app.add_option("plugin", o.plugin, "The plugin's .so")->required();
  app.add_option("--type", o.type, "Type of the matrices")->check(CLI::IsMember({"f32", "f16", "bf16"}));
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
