// From three C++ classes to a plugin: the function table, the handles and the two exported symbols.
#pragma once

#include <llorch/plugin.hpp>

#include <memory>
#include <type_traits>

namespace llorch::abi {

/// Collects the answers of estimate_memory and memory_usage.
class MemoryReport {
 public:
  MemoryReport(llorch_memory_fn fn, void* user) : fn_(fn), user_(user) {
    if (fn == nullptr) fail(LLORCH_INVALID_ARGUMENT, "the memory callback is NULL");
  }
  /// `kind`: LLORCH_MEMORY_*. `device`: an index of device_at, or LLORCH_HOST_MEMORY.
  void add(std::uint32_t kind, std::uint64_t bytes, std::uint32_t device = 0) const {
    llorch_memory memory{};
    memory.struct_size = sizeof memory;
    memory.device = device;
    memory.kind = kind;
    memory.bytes = bytes;
    fn_(user_, &memory);
  }

 private:
  llorch_memory_fn fn_;
  void* user_;
};

/// The tap that is set on a context, or none.
class Tap {
 public:
  /// What set_tap got. `supported`: llorch_model_info.taps.
  void set(const llorch_tap* tap, std::uint64_t supported) {
    llorch_tap next{};
    if (tap != nullptr) next = accept(tap, LLORCH_END(llorch_tap, user));
    if (next.flags != 0) fail(LLORCH_UNSUPPORTED, "set_tap: unknown flags ", next.flags);
    if ((next.mask & ~supported) != 0) fail(LLORCH_UNSUPPORTED, "set_tap: unsupported taps ", next.mask & ~supported);
    if (next.mask != 0 && next.on_tensor == nullptr) fail(LLORCH_INVALID_ARGUMENT, "set_tap: on_tensor is NULL");
    tap_ = next;
  }
  [[nodiscard]] bool active() const { return tap_.mask != 0; }
  /// Is tensor `id` of `layer` (-1: of none) wanted?
  [[nodiscard]] bool wants(std::uint32_t id, std::int32_t layer) const {
    return ((tap_.mask >> id) & 1U) != 0 && (layer < 0 || (layer >= tap_.layer_begin && layer < tap_.layer_end));
  }
  /// Shows a tensor of f32 to the observer if it is wanted; throws CANCELLED when the observer says so.
  /// `rows`: see llorch_tap_event, null for all rows in order.
  void show(std::uint32_t id, std::int32_t layer, const float* data, std::initializer_list<std::uint64_t> dims,
            const std::uint32_t* rows = nullptr, std::uint32_t flags = 0) const {
    if (!wants(id, layer)) return;
    llorch_tap_event event{};
    event.struct_size = sizeof event;
    event.tap = id;
    event.layer = layer;
    event.flags = flags;
    event.dtype = LLORCH_DTYPE_F32;
    event.n_dims = static_cast<std::uint32_t>(dims.size());
    std::copy(dims.begin(), dims.end(), event.dims);
    event.data = data;
    event.rows = rows;
    if (tap_.on_tensor(tap_.user, &event) != 0) fail(LLORCH_CANCELLED, "the tap cancelled the forward pass");
  }

 private:
  llorch_tap tap_{};
};

/// What a batch may ask for.
struct BatchLimits {
  std::uint32_t max_batch_tokens = 0, max_output_rows = 0, max_seqs = 0, max_positions = 0, vocab_size = 0;
};

/// Checks every rule of llorch_batch. `last_position(seq)`: the last position that a sequence holds, -1 for none.
template <class LastPosition>
void check_batch(const llorch_batch& batch, const BatchLimits& limits, LastPosition&& last_position) {
  if (batch.tokens == nullptr || batch.positions == nullptr || batch.seq_ids == nullptr ||
      batch.output_flags == nullptr) {
    fail(LLORCH_INVALID_ARGUMENT, "forward: an array of the batch is NULL");
  }
  if (batch.n_tokens == 0 || batch.n_tokens > limits.max_batch_tokens) {
    fail(LLORCH_INVALID_ARGUMENT, "forward: ", batch.n_tokens, " rows, expected 1 to ", limits.max_batch_tokens);
  }
  std::uint32_t outputs = 0;
  std::vector<bool> seen(limits.max_seqs, false);
  for (std::uint32_t row = 0; row < batch.n_tokens; ++row) {
    const std::int32_t token = batch.tokens[row];
    const std::int32_t seq = batch.seq_ids[row];
    const std::int32_t position = batch.positions[row];
    if (token < 0 || static_cast<std::uint32_t>(token) >= limits.vocab_size) {
      fail(LLORCH_INVALID_ARGUMENT, "forward: row ", row, ": token ", token, ", expected 0 to ", limits.vocab_size - 1);
    }
    if (seq < 0 || static_cast<std::uint32_t>(seq) >= limits.max_seqs) {
      fail(LLORCH_INVALID_ARGUMENT, "forward: row ", row, ": sequence ", seq, ", expected 0 to ", limits.max_seqs - 1);
    }
    const bool continues = row > 0 && batch.seq_ids[row - 1] == seq;
    if (!continues && seen[static_cast<std::size_t>(seq)]) {
      fail(LLORCH_INVALID_ARGUMENT, "forward: row ", row, ": the rows of sequence ", seq, " are not adjacent");
    }
    seen[static_cast<std::size_t>(seq)] = true;
    const std::int32_t before = continues ? batch.positions[row - 1] : static_cast<std::int32_t>(last_position(seq));
    if (position < 0 || static_cast<std::uint32_t>(position) >= limits.max_positions) {
      fail(LLORCH_INVALID_ARGUMENT, "forward: row ", row, ": position ", position, ", the context has 0 to ",
           limits.max_positions - 1);
    }
    if (before >= 0 && position != before + 1) {
      fail(LLORCH_INVALID_ARGUMENT, "forward: row ", row, ": position ", position, " of sequence ", seq, ", expected ",
           before + 1);
    }
    const std::uint32_t flags = batch.output_flags[row];
    if ((flags & ~static_cast<std::uint32_t>(LLORCH_OUTPUT_LOGITS)) != 0) {
      fail(LLORCH_UNSUPPORTED, "forward: row ", row, ": unknown output flags ", flags);
    }
    outputs += flags & LLORCH_OUTPUT_LOGITS;
  }
  if (outputs > limits.max_output_rows) {
    fail(LLORCH_INVALID_ARGUMENT, "forward: ", outputs, " rows with logits, expected at most ", limits.max_output_rows);
  }
}

/// The handle under which the host knows a context: what is_cancelled() asks for.
template <class Context>
[[nodiscard]] llorch_context* handle_of(Context* context) {
  return reinterpret_cast<llorch_context*>(context);
}

/// The function table over a class `Plugin`. What it must offer (all may throw):
///   using Model, using Context
///   Plugin(Host)
///   std::optional<llorch_device> device(std::uint32_t index)                empty behind the last
///   llorch_model_info probe(const Source&)
///   void estimate_memory(const Source&, const llorch_model_params&, const llorch_context_params&, const MemoryReport&)
///   std::unique_ptr<Model> create_model(const Source&, const llorch_model_params&)
/// Model:
///   std::unique_ptr<Context> create_context(const llorch_context_params&)
///   void memory_usage(const MemoryReport&) const
/// Context:
///   llorch_output forward(const llorch_batch&)                              struct_size need not be set
///   void kv_seq_remove(seq, p0, p1), kv_seq_copy(src, dst, p0, p1), kv_seq_shift(seq, p0, p1, delta)
///   std::pair<std::int32_t, std::int32_t> kv_seq_range(seq)
///   void kv_seq_save(seq, const llorch_writer&), kv_seq_load(seq, const llorch_reader&)
///   llorch_kv_usage kv_usage() const
///   void set_tap(const llorch_tap*)
///   void memory_usage(const MemoryReport&) const
template <class Plugin>
class Table {
  using Model = typename Plugin::Model;
  using Context = typename Plugin::Context;

  template <class T, class Handle>
  static T& object(Handle* handle) {
    if (handle == nullptr) fail(LLORCH_INVALID_ARGUMENT, "the handle is NULL");
    return *reinterpret_cast<T*>(handle);
  }
  template <class T>
  static T& required(T* pointer, const char* name) {
    if (pointer == nullptr) fail(LLORCH_INVALID_ARGUMENT, name, " is NULL");
    return *pointer;
  }

  static void close(llorch_plugin* plugin) { delete reinterpret_cast<Plugin*>(plugin); }
  static const void* get_extension(llorch_plugin*, const char*) { return nullptr; }

  static llorch_status device_at(llorch_plugin* plugin, std::uint32_t index, llorch_device* out, llorch_error* error) {
    return guard(error, [&] {
      const std::optional<llorch_device> device = object<Plugin>(plugin).device(index);
      if (!device) fail(LLORCH_NOT_FOUND, "no device ", index);
      give(out, *device);
    });
  }
  static llorch_status model_probe(llorch_plugin* plugin, const llorch_source* source, llorch_model_info* out,
                                   llorch_error* error) {
    return guard(error, [&] { give(out, object<Plugin>(plugin).probe(Source(source))); });
  }
  static llorch_status estimate_memory(llorch_plugin* plugin, const llorch_source* source,
                                       const llorch_model_params* model_params,
                                       const llorch_context_params* context_params, llorch_memory_fn fn, void* user,
                                       llorch_error* error) {
    return guard(error, [&] {
      object<Plugin>(plugin).estimate_memory(Source(source), accept(model_params), accept(context_params),
                                             MemoryReport(fn, user));
    });
  }
  static llorch_status model_create(llorch_plugin* plugin, const llorch_source* source,
                                    const llorch_model_params* params, llorch_model** out, llorch_error* error) {
    return guard(error, [&] {
      auto& place = required(out, "out");
      place = reinterpret_cast<llorch_model*>(
          object<Plugin>(plugin).create_model(Source(source), accept(params)).release());
    });
  }
  static void model_destroy(llorch_model* model) { delete reinterpret_cast<Model*>(model); }
  static llorch_status context_create(llorch_model* model, const llorch_context_params* params, llorch_context** out,
                                      llorch_error* error) {
    return guard(error, [&] {
      auto& place = required(out, "out");
      place = handle_of(object<Model>(model).create_context(accept(params)).release());
    });
  }
  static void context_destroy(llorch_context* context) { delete reinterpret_cast<Context*>(context); }

  static llorch_status forward(llorch_context* context, const llorch_batch* batch, llorch_output* out,
                               llorch_error* error) {
    return guard(error, [&] {
      required(out, "out");
      give(out, object<Context>(context).forward(accept(batch, LLORCH_END(llorch_batch, output_flags))));
    });
  }
  static llorch_status kv_seq_remove(llorch_context* context, std::int32_t seq, std::int32_t p0, std::int32_t p1,
                                     llorch_error* error) {
    return guard(error, [&] { object<Context>(context).kv_seq_remove(seq, p0, p1); });
  }
  static llorch_status kv_seq_copy(llorch_context* context, std::int32_t src, std::int32_t dst, std::int32_t p0,
                                   std::int32_t p1, llorch_error* error) {
    return guard(error, [&] { object<Context>(context).kv_seq_copy(src, dst, p0, p1); });
  }
  static llorch_status kv_seq_shift(llorch_context* context, std::int32_t seq, std::int32_t p0, std::int32_t p1,
                                    std::int32_t delta, llorch_error* error) {
    return guard(error, [&] { object<Context>(context).kv_seq_shift(seq, p0, p1, delta); });
  }
  static llorch_status kv_seq_range(llorch_context* context, std::int32_t seq, std::int32_t* p_min, std::int32_t* p_max,
                                    llorch_error* error) {
    return guard(error, [&] {
      const std::pair<std::int32_t, std::int32_t> range = object<Context>(context).kv_seq_range(seq);
      required(p_min, "p_min") = range.first;
      required(p_max, "p_max") = range.second;
    });
  }
  static llorch_status kv_seq_save(llorch_context* context, std::int32_t seq, const llorch_writer* writer,
                                   llorch_error* error) {
    return guard(error, [&] { object<Context>(context).kv_seq_save(seq, required(writer, "writer")); });
  }
  static llorch_status kv_seq_load(llorch_context* context, std::int32_t seq, const llorch_reader* reader,
                                   llorch_error* error) {
    return guard(error, [&] { object<Context>(context).kv_seq_load(seq, required(reader, "reader")); });
  }
  static llorch_status kv_usage(llorch_context* context, llorch_kv_usage* out, llorch_error* error) {
    return guard(error, [&] { give(out, object<const Context>(context).kv_usage()); });
  }
  static llorch_status set_tap(llorch_context* context, const llorch_tap* tap, llorch_error* error) {
    return guard(error, [&] { object<Context>(context).set_tap(tap); });
  }
  static llorch_status memory_usage(llorch_model* model, llorch_context* context, llorch_memory_fn fn, void* user,
                                    llorch_error* error) {
    return guard(error, [&] {
      const MemoryReport report(fn, user);
      object<const Model>(model).memory_usage(report);
      if (context != nullptr) object<const Context>(context).memory_usage(report);
    });
  }

 public:
  [[nodiscard]] static const llorch_plugin_api* get() {
    static constexpr llorch_plugin_api kApi{.struct_size = sizeof(llorch_plugin_api),
                                            .abi_version = LLORCH_ABI_VERSION,
                                            .close = &close,
                                            .get_extension = &get_extension,
                                            .device_at = &device_at,
                                            .model_probe = &model_probe,
                                            .estimate_memory = &estimate_memory,
                                            .model_create = &model_create,
                                            .model_destroy = &model_destroy,
                                            .context_create = &context_create,
                                            .context_destroy = &context_destroy,
                                            .forward = &forward,
                                            .kv_seq_remove = &kv_seq_remove,
                                            .kv_seq_copy = &kv_seq_copy,
                                            .kv_seq_shift = &kv_seq_shift,
                                            .kv_seq_range = &kv_seq_range,
                                            .kv_seq_save = &kv_seq_save,
                                            .kv_seq_load = &kv_seq_load,
                                            .kv_usage = &kv_usage,
                                            .set_tap = &set_tap,
                                            .memory_usage = &memory_usage};
    return &kApi;
  }
};

/// The bodies of the two exported functions. A Plugin may say more about itself:
///   static constexpr std::uint64_t kCapabilities        LLORCH_CAP_* that all its models have
///   static constexpr std::string_view kArchitectures    values of general.architecture, comma-separated
template <class Plugin>
llorch_status answer_query(llorch_plugin_info* out, std::string_view id, std::string_view version,
                           std::string_view build) noexcept {
  return guard(nullptr, [&] {
    llorch_plugin_info info{};
    info.abi_min = info.abi_max = LLORCH_ABI_VERSION;
    put_text(info.id, id);
    put_text(info.version, version);
    put_text(info.build, build);
    if constexpr (requires { Plugin::kCapabilities; }) info.caps = Plugin::kCapabilities;
    if constexpr (requires { Plugin::kArchitectures; }) put_text(info.architectures, Plugin::kArchitectures);
    give(out, info);
  });
}
template <class Plugin>
llorch_status open_plugin(std::uint32_t abi, const llorch_host_api* host, llorch_plugin** out,
                          const llorch_plugin_api** api, llorch_error* error) noexcept {
  return guard(error, [&] {
    if (abi != LLORCH_ABI_VERSION) {
      fail(LLORCH_UNSUPPORTED, "ABI version ", abi, " was asked for, this plugin speaks ", LLORCH_ABI_VERSION);
    }
    if (out == nullptr || api == nullptr) fail(LLORCH_INVALID_ARGUMENT, "out or api is NULL");
    auto plugin = std::make_unique<Plugin>(Host(host));
    *api = Table<Plugin>::get();
    *out = reinterpret_cast<llorch_plugin*>(plugin.release());
  });
}

}  // namespace llorch::abi

/// Defines the two exported symbols. Once per plugin, outside every namespace.
#define LLORCH_DEFINE_PLUGIN(plugin_class, id, version, build)                                                  \
  extern "C" LLORCH_EXPORT llorch_status llorch_plugin_query(llorch_plugin_info* out) {                         \
    return ::llorch::abi::answer_query<plugin_class>(out, id, version, build);                                  \
  }                                                                                                             \
  extern "C" LLORCH_EXPORT llorch_status llorch_plugin_open(uint32_t abi, const llorch_host_api* host,          \
                                                            llorch_plugin** out, const llorch_plugin_api** api, \
                                                            llorch_error* err) {                                \
    return ::llorch::abi::open_plugin<plugin_class>(abi, host, out, api, err);                                  \
  }                                                                                                             \
  static_assert(true, "takes the semicolon")
