// A plugin through its C ABI: the least that the check needs, failures as exceptions. What stands in for the host.
#pragma once

#include <llorch/llorch_plugin.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "sources.hpp"

namespace llorch::gpu_check {

/// A function of the ABI that did not answer OK.
struct Refused : std::runtime_error {
  Refused(llorch_status s, const std::string& what) : std::runtime_error(what), status(s) {}
  llorch_status status;
};

class Plugin {
 public:
  explicit Plugin(const std::string& path);
  ~Plugin();
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;

  [[nodiscard]] std::string name() const { return info_.id; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string build() const { return std::string(info_.version) + ", " + info_.build; }
  /// The devices' names; empty with `why` where there is none.
  [[nodiscard]] std::vector<llorch_device> devices(std::string& why) const;
  [[nodiscard]] const llorch_plugin_api& api() const { return *api_; }
  [[nodiscard]] llorch_plugin* handle() const { return handle_; }

 private:
  std::string path_;
  llorch_plugin_info info_{};
  llorch_host_api host_{};
  llorch_plugin* handle_ = nullptr;
  const llorch_plugin_api* api_ = nullptr;
};

class Model {
 public:
  Model(const Plugin& plugin, const ModelSource& source, std::uint32_t device = 0);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  [[nodiscard]] const llorch_model_info& info() const { return info_; }
  [[nodiscard]] const llorch_plugin_api& api() const { return plugin_.api(); }
  [[nodiscard]] llorch_model* handle() const { return handle_; }
  [[nodiscard]] const Plugin& plugin() const { return plugin_; }

 private:
  const Plugin& plugin_;
  llorch_model_info info_{};
  llorch_model* handle_ = nullptr;
};

struct ContextSize {
  std::uint32_t tokens = 0, seqs = 1, batch = 512;
  std::uint32_t kv_type = LLORCH_DTYPE_DEFAULT;
  std::uint32_t threads = 2;
  std::uint32_t outputs = 0;  ///< rows with logits in one forward; 0: batch
};

struct Row {
  std::int32_t token, position, seq;
  bool logits = false;
};

class Context {
 public:
  Context(const Model& model, const ContextSize& size);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  /// Logits (rows that ask, vocabulary) behind each other.
  std::vector<float> forward(const std::vector<Row>& rows);
  /// The first row that asks, without a copy; valid until the next call. May be null when no row asks.
  const float* forward_in_place(const std::vector<Row>& rows);

  using Tap = std::function<void(const llorch_tap_event&)>;
  void tap(std::uint64_t mask, Tap fn);

  void remove(std::int32_t seq, std::int32_t p0, std::int32_t p1);
  void copy(std::int32_t src, std::int32_t dst, std::int32_t p0, std::int32_t p1);
  void shift(std::int32_t seq, std::int32_t p0, std::int32_t p1, std::int32_t delta);
  [[nodiscard]] std::string save(std::int32_t seq);
  void load(std::int32_t seq, const std::string& state);
  [[nodiscard]] std::uint64_t memory_bytes();

  [[nodiscard]] std::uint32_t n_vocab() const { return model_.info().vocab_size; }

 private:
  const Model& model_;
  llorch_context* handle_ = nullptr;
  Tap tap_;
  std::uint32_t n_rows_ = 0;
  std::uint64_t row_stride_ = 0;
};

/// Rows of one sequence from `first` on, logits for all of them or only the last.
/// n ids below `vocab`, others for each seed.
std::vector<std::int32_t> some_tokens(std::uint32_t n, std::uint32_t vocab, std::uint32_t seed);

std::vector<Row> rows_of(const std::vector<std::int32_t>& tokens, std::int32_t first, std::int32_t seq, bool all);
/// Index of the largest, the first of equals.
std::int32_t argmax(const float* logits, std::uint32_t n);
/// The ids that follow the prompt when the likeliest is taken each time.
std::vector<std::int32_t> greedy(Context& context, const std::vector<std::int32_t>& prompt, int n,
                                 std::int32_t seq = 0);

}  // namespace llorch::gpu_check
