// RAII over the C ABI: a loaded plugin, its models and their contexts. The only room that touches llorch_plugin_api.
#pragma once

#include <llorch/llorch_plugin.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace llorch::plugin {

class Model;
class Context;

/// What llorch_plugin_query said.
struct Info {
  std::string id, version, build;
  std::uint32_t abi_min = 0, abi_max = 0;
  std::uint64_t caps = 0;     ///< LLORCH_CAP_* of all its models
  std::string architectures;  ///< comma-separated; empty: it does not say
  std::filesystem::path path;
};

struct MemoryUse {
  std::uint64_t weights = 0, kv = 0, scratch = 0, fixed = 0;  ///< bytes
  std::uint64_t device_bytes = 0;                             ///< of these, on a device other than the CPU
  [[nodiscard]] std::uint64_t total() const { return weights + kv + scratch + fixed; }
};

struct ContextParams {
  std::uint32_t max_tokens = 0;  ///< KV capacity over all sequences
  std::uint32_t max_seqs = 1, max_batch_tokens = 512, max_output_rows = 1, n_threads = 1;
  std::uint32_t kv_dtype_k = 0, kv_dtype_v = 0;
};

/// One loaded .so. Never unloaded. Shared by its models.
class Plugin : public std::enable_shared_from_this<Plugin> {
 public:
  /// `options` answer the plugin's get_option. Refusals name the file and the reason: not a shared object, other
  /// machine, missing symbol (which), ABI versions offered and wanted, file not regular or writable by others.
  static Result<std::shared_ptr<Plugin>> load(const std::filesystem::path& path,
                                              std::map<std::string, std::string> options = {});
  /// Only the query, for listings: loads the object but opens nothing.
  static Result<Info> query(const std::filesystem::path& path);

  virtual ~Plugin() = default;
  [[nodiscard]] virtual const Info& info() const = 0;
  [[nodiscard]] virtual std::vector<llorch_device> devices() const = 0;
  /// The plugin's own words when it has no device here; empty otherwise.
  [[nodiscard]] virtual const std::string& why_no_device() const = 0;
  /// Device for estimates and models from now on, an index of devices(); 0 at first. kNotFound when there is none of
  /// that index.
  [[nodiscard]] virtual Result<void> use_device(std::uint32_t index) = 0;
  [[nodiscard]] virtual Result<llorch_model_info> probe(const llorch_source& source) const = 0;
  [[nodiscard]] virtual Result<MemoryUse> estimate_memory(const llorch_source& source,
                                                          const ContextParams& params) const = 0;
  [[nodiscard]] virtual Result<std::shared_ptr<Model>> create_model(const llorch_source& source) = 0;
};

/// Weights, immutable; keeps its plugin alive. [any-thread]
class Model {
 public:
  virtual ~Model() = default;
  [[nodiscard]] virtual const llorch_model_info& info() const = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<Context>> create_context(const ContextParams& params) = 0;
};

struct Output {
  std::uint32_t n_rows = 0;
  std::uint32_t vocab_size = 0;
  const float* logits = nullptr;  ///< (n_rows, row_stride); valid until the next call on the context
  std::uint64_t row_stride = 0;
  [[nodiscard]] std::span<const float> row(std::uint32_t i) const { return {logits + i * row_stride, vocab_size}; }
};

/// KV cache and scratch; keeps its model alive. One caller at a time.
/// Failures: kResourceExhausted (NO_KV_SPACE) and kCancelled leave the state as it was.
class Context {
 public:
  virtual ~Context() = default;
  /// All spans have the same length; see llorch_batch.
  [[nodiscard]] virtual Result<Output> forward(std::span<const std::int32_t> tokens,
                                               std::span<const std::int32_t> positions,
                                               std::span<const std::int32_t> seq_ids,
                                               std::span<const std::uint32_t> output_flags) = 0;
  [[nodiscard]] virtual Result<void> kv_seq_remove(std::int32_t seq, std::int32_t p0, std::int32_t p1) = 0;
  [[nodiscard]] virtual Result<void> kv_seq_copy(std::int32_t src, std::int32_t dst, std::int32_t p0,
                                                 std::int32_t p1) = 0;
  [[nodiscard]] virtual Result<void> kv_seq_shift(std::int32_t seq, std::int32_t p0, std::int32_t p1,
                                                  std::int32_t delta) = 0;
  /// First and last position held, or empty.
  [[nodiscard]] virtual Result<std::optional<std::pair<std::int32_t, std::int32_t>>> kv_seq_range(std::int32_t seq) = 0;
  [[nodiscard]] virtual Result<std::vector<std::byte>> kv_seq_save(std::int32_t seq) = 0;
  [[nodiscard]] virtual Result<void> kv_seq_load(std::int32_t seq, std::span<const std::byte> state) = 0;
  [[nodiscard]] virtual Result<llorch_kv_usage> kv_usage() = 0;
  /// An empty function removes the tap. The callback may cancel by returning false.
  using TapFn = std::function<bool(const llorch_tap_event&)>;
  [[nodiscard]] virtual Result<void> set_tap(std::uint64_t mask, std::int32_t layer_begin, std::int32_t layer_end,
                                             TapFn fn) = 0;
  [[nodiscard]] virtual Result<MemoryUse> memory_usage() = 0;
  /// [any-thread] Polled by the plugin inside forward(); stays set until cleared.
  virtual void set_cancelled(bool cancelled) noexcept = 0;
};

/// "multi_seq", "kv_save", ...: the names of LLORCH_CAP_* bits, for listings; an unknown bit is "bit 17".
[[nodiscard]] std::vector<std::string> capability_names(std::uint64_t caps);

/// Directories searched for `<name>.so`: --plugin-dir, then <executable>/../lib/llorch/plugins (multiarch lib dirs
/// too).
[[nodiscard]] std::vector<std::filesystem::path> search_directories(const std::filesystem::path& extra);
/// `name` may be a bare name or a path. The error lists where was looked.
[[nodiscard]] Result<std::filesystem::path> find_plugin(const std::string& name, const std::filesystem::path& extra);
/// All *.so in the search directories, sorted by name.
[[nodiscard]] std::vector<std::filesystem::path> list_plugins(const std::filesystem::path& extra);

/// kNotFound when a directory that was asked for is none: its plugins would silently be others'.
[[nodiscard]] Result<void> check_directory(const std::filesystem::path& extra);

/// Loads a file of that list. A link that leads out of its directory is refused, as in find_plugin().
[[nodiscard]] Result<std::shared_ptr<Plugin>> load_listed(const std::filesystem::path& path);

/// The plugin that runs a model: the one of that name or path or, when `name` is empty, the first of list_plugins()
/// whose probe accepts the source; then the error says why each one refused.
[[nodiscard]] Result<std::shared_ptr<Plugin>> choose_plugin(const std::string& name, const std::filesystem::path& extra,
                                                            const llorch_source& source);

}  // namespace llorch::plugin
