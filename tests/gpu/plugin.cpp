#include "plugin.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <set>
#include <string>

namespace llorch::gpu_check {
namespace {

template <class Call>
void checked(const char* function, Call&& call) {
  llorch_error error{};
  error.struct_size = sizeof error;
  const llorch_status status = call(&error);
  if (status == LLORCH_OK) return;
  error.message[sizeof error.message - 1] = '\0';
  throw Refused(status, std::string(function) + ": " + error.message + " (status " + std::to_string(status) + ")");
}

template <class T>
T sized() {
  T out{};
  out.struct_size = sizeof out;
  return out;
}

}  // namespace

Plugin::Plugin(const std::string& path) : path_(path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw std::runtime_error(dlerror());
  const auto query = reinterpret_cast<llorch_status (*)(llorch_plugin_info*)>(dlsym(library, "llorch_plugin_query"));
  const auto open =
      reinterpret_cast<llorch_status (*)(uint32_t, const llorch_host_api*, llorch_plugin**, const llorch_plugin_api**,
                                         llorch_error*)>(dlsym(library, "llorch_plugin_open"));
  if (query == nullptr || open == nullptr) throw std::runtime_error(path + ": no plugin");
  info_ = sized<llorch_plugin_info>();
  checked("llorch_plugin_query", [&](llorch_error*) { return query(&info_); });
  host_ = sized<llorch_host_api>();
  host_.abi_version = LLORCH_ABI_VERSION;
  host_.log = [](void*, std::int32_t level, llorch_str text) {
    const std::string line(text.data, text.size);
    if (level >= LLORCH_LOG_WARN) std::fprintf(stderr, "plugin: %s\n", line.c_str());
    if (level != LLORCH_LOG_INFO) return;
    // What every model says again is written once.
    static std::mutex mutex;
    static std::set<std::string> told;
    const std::lock_guard lock(mutex);
    if (told.insert(line).second) std::printf("plugin: %s\n", line.c_str());
  };
  host_.get_option = [](void*, const char*, llorch_str* out) -> llorch_status {
    *out = {nullptr, 0};
    return LLORCH_NOT_FOUND;
  };
  host_.is_cancelled = [](void*, const llorch_context*) -> std::int32_t { return 0; };
  host_.get_extension = [](void*, const char*) -> const void* { return nullptr; };
  checked("llorch_plugin_open",
          [&](llorch_error* error) { return open(LLORCH_ABI_VERSION, &host_, &handle_, &api_, error); });
}
Plugin::~Plugin() {
  if (handle_ != nullptr) api_->close(handle_);
}

std::vector<llorch_device> Plugin::devices(std::string& why) const {
  std::vector<llorch_device> out;
  for (std::uint32_t i = 0;; ++i) {
    auto device = sized<llorch_device>();
    auto error = sized<llorch_error>();
    if (api_->device_at(handle_, i, &device, &error) != LLORCH_OK) {
      if (i == 0) why = error.message;
      return out;
    }
    out.push_back(device);
  }
}

Model::Model(const Plugin& plugin, const ModelSource& source, std::uint32_t device) : plugin_(plugin) {
  info_ = sized<llorch_model_info>();
  checked("model_probe",
          [&](llorch_error* error) { return api().model_probe(plugin.handle(), &source.abi(), &info_, error); });
  auto params = sized<llorch_model_params>();
  params.device = device;
  checked("model_create", [&](llorch_error* error) {
    return api().model_create(plugin.handle(), &source.abi(), &params, &handle_, error);
  });
}
Model::~Model() {
  api().model_destroy(handle_);
}

Context::Context(const Model& model, const ContextSize& size) : model_(model) {
  auto params = sized<llorch_context_params>();
  params.max_tokens = size.tokens;
  params.max_seqs = size.seqs;
  params.max_batch_tokens = size.batch;
  params.max_output_rows = size.outputs != 0 ? size.outputs : size.batch;
  params.n_threads = size.threads;
  params.kv_dtype_k = params.kv_dtype_v = size.kv_type;
  checked("context_create",
          [&](llorch_error* error) { return model.api().context_create(model.handle(), &params, &handle_, error); });
}
Context::~Context() {
  model_.api().context_destroy(handle_);
}

const float* Context::forward_in_place(const std::vector<Row>& rows) {
  std::vector<std::int32_t> tokens, positions, seqs;
  std::vector<std::uint32_t> flags;
  for (const Row& row : rows) {
    tokens.push_back(row.token);
    positions.push_back(row.position);
    seqs.push_back(row.seq);
    flags.push_back(row.logits ? LLORCH_OUTPUT_LOGITS : 0);
  }
  auto batch = sized<llorch_batch>();
  batch.n_tokens = static_cast<std::uint32_t>(rows.size());
  batch.tokens = tokens.data();
  batch.positions = positions.data();
  batch.seq_ids = seqs.data();
  batch.output_flags = flags.data();
  auto out = sized<llorch_output>();
  checked("forward", [&](llorch_error* error) { return model_.api().forward(handle_, &batch, &out, error); });
  n_rows_ = out.n_rows;
  row_stride_ = out.row_stride;
  return out.logits;
}

std::vector<float> Context::forward(const std::vector<Row>& rows) {
  const float* logits = forward_in_place(rows);
  std::vector<float> out;
  for (std::uint32_t row = 0; row < n_rows_; ++row)
    out.insert(out.end(), logits + row * row_stride_, logits + row * row_stride_ + n_vocab());
  return out;
}

void Context::tap(std::uint64_t mask, Tap fn) {
  tap_ = std::move(fn);
  auto tap = sized<llorch_tap>();
  tap.mask = mask;
  tap.layer_end = INT32_MAX;
  tap.user = this;
  tap.on_tensor = [](void* user, const llorch_tap_event* event) -> std::int32_t {
    static_cast<Context*>(user)->tap_(*event);
    return 0;
  };
  checked("set_tap", [&](llorch_error* error) { return model_.api().set_tap(handle_, &tap, error); });
}

void Context::remove(std::int32_t seq, std::int32_t p0, std::int32_t p1) {
  checked("kv_seq_remove", [&](llorch_error* e) { return model_.api().kv_seq_remove(handle_, seq, p0, p1, e); });
}
void Context::copy(std::int32_t src, std::int32_t dst, std::int32_t p0, std::int32_t p1) {
  checked("kv_seq_copy", [&](llorch_error* e) { return model_.api().kv_seq_copy(handle_, src, dst, p0, p1, e); });
}
void Context::shift(std::int32_t seq, std::int32_t p0, std::int32_t p1, std::int32_t delta) {
  checked("kv_seq_shift", [&](llorch_error* e) { return model_.api().kv_seq_shift(handle_, seq, p0, p1, delta, e); });
}

std::string Context::save(std::int32_t seq) {
  std::string out;
  const llorch_writer writer{&out, [](void* impl, const void* p, std::uint64_t n) -> std::int64_t {
                               static_cast<std::string*>(impl)->append(static_cast<const char*>(p), n);
                               return static_cast<std::int64_t>(n);
                             }};
  checked("kv_seq_save", [&](llorch_error* e) { return model_.api().kv_seq_save(handle_, seq, &writer, e); });
  return out;
}

void Context::load(std::int32_t seq, const std::string& state) {
  struct Stream {
    const std::string& bytes;
    std::size_t at;
  } stream{state, 0};
  const llorch_reader reader{&stream, [](void* impl, void* p, std::uint64_t n) -> std::int64_t {
                               auto& s = *static_cast<Stream*>(impl);
                               const std::size_t piece = std::min<std::size_t>(n, s.bytes.size() - s.at);
                               std::memcpy(p, s.bytes.data() + s.at, piece);
                               s.at += piece;
                               return static_cast<std::int64_t>(piece);
                             }};
  checked("kv_seq_load", [&](llorch_error* e) { return model_.api().kv_seq_load(handle_, seq, &reader, e); });
}

std::uint64_t Context::memory_bytes() {
  std::uint64_t sum = 0;
  const auto add = [](void* user, const llorch_memory* memory) { *static_cast<std::uint64_t*>(user) += memory->bytes; };
  checked("memory_usage",
          [&](llorch_error* e) { return model_.api().memory_usage(model_.handle(), handle_, add, &sum, e); });
  return sum;
}

std::vector<std::int32_t> some_tokens(std::uint32_t n, std::uint32_t vocab, std::uint32_t seed) {
  std::vector<std::int32_t> out;
  std::uint32_t x = seed * 2654435761U + 1;
  for (std::uint32_t i = 0; i < n; ++i) {
    x = x * 1664525U + 1013904223U;
    out.push_back(static_cast<std::int32_t>((x >> 8U) % vocab));
  }
  return out;
}

std::vector<Row> rows_of(const std::vector<std::int32_t>& tokens, std::int32_t first, std::int32_t seq, bool all) {
  std::vector<Row> rows;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    rows.push_back({tokens[i], first + static_cast<std::int32_t>(i), seq, all || i + 1 == tokens.size()});
  }
  return rows;
}

std::int32_t argmax(const float* logits, std::uint32_t n) {
  std::uint32_t best = 0;
  for (std::uint32_t i = 1; i < n; ++i) {
    if (logits[i] > logits[best]) best = i;
  }
  return static_cast<std::int32_t>(best);
}

std::vector<std::int32_t> greedy(Context& context, const std::vector<std::int32_t>& prompt, int n, std::int32_t seq) {
  std::vector<std::int32_t> out;
  const float* logits = context.forward_in_place(rows_of(prompt, 0, seq, false));
  auto position = static_cast<std::int32_t>(prompt.size());
  for (;;) {
    out.push_back(argmax(logits, context.n_vocab()));
    if (static_cast<int>(out.size()) == n) return out;
    logits = context.forward_in_place({{out.back(), position++, seq, true}});
  }
}

}  // namespace llorch::gpu_check
