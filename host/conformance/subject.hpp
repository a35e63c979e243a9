// The plugin under test through the bare C ABI, as a rule sees it inside its child process. The host's own classes
// would correct too much. Everything in here throws Broken when the plugin does not do what the caller says it must.
#pragma once

#include <llorch/llorch_plugin.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conformance/rule.hpp"
#include "plugin/boundary.hpp"

namespace llorch::conformance {

/// What a function of the plugin answered.
struct Answer {
  std::string function;
  llorch_status status = LLORCH_OK;
  std::string message;
  [[nodiscard]] bool ok() const { return status == LLORCH_OK; }
  /// "found INVALID_ARGUMENT (position 7, expected 5)"
  [[nodiscard]] std::string text() const;
};

/// Calls a function that reports through a llorch_error. Broken: an exception crosses, or the message is not terminated
/// within the buffer.
template <class Call>
Answer ask(const char* function, Call&& call) {
  llorch_error error{};
  error.struct_size = sizeof error;
  const auto status = plugin::at_boundary("the plugin", function, [&] { return std::forward<Call>(call)(&error); });
  if (!status) broken("{}", status.error().message);
  const std::string_view buffer(error.message, sizeof error.message);
  const std::size_t end = buffer.find('\0');
  require(end != std::string_view::npos, "{}: the error's message is not NUL-terminated", function);
  return {function, *status, std::string(buffer.substr(0, end))};
}

/// Broken unless the status is one of `allowed`, and unless a status below zero comes with a message. `when` says what
/// was asked: "forward with token -1".
void expect(const Answer& answer, std::initializer_list<llorch_status> allowed, std::string_view when);
inline void expect_ok(const Answer& answer, std::string_view when) {
  expect(answer, {LLORCH_OK}, when);
}

/// What the kit is run on. Outlives the subject.
struct Target {
  std::filesystem::path plugin;
  const llorch_source* source = nullptr;         ///< null: no model
  std::vector<std::string> keys;                 ///< of the model's scalar metadata
  bool generated = false;                        ///< a small model of the kit's own: every tensor of it is needed
  std::uint32_t kv_dtype_k = 0, kv_dtype_v = 0;  ///< of contexts that do not say
};

/// Host services whose is_cancelled answers with a flag. Longer than version 1, with poison behind.
class Services {
 public:
  Services();
  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;
  [[nodiscard]] const llorch_host_api* table() const { return &grown_.known; }
  std::atomic<bool> cancelled = false;

 private:
  struct Grown {
    llorch_host_api known;
    unsigned char later[64];
  } grown_{};
};

/// A model, destroyed with this object.
class Model {
 public:
  Model(const llorch_plugin_api& api, llorch_model* handle, const llorch_model_info& model_info)
      : api_(api), handle_(handle), info_(model_info) {}
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  [[nodiscard]] llorch_model* handle() const { return handle_; }
  [[nodiscard]] const llorch_plugin_api& api() const { return api_; }
  [[nodiscard]] const llorch_model_info& info() const { return info_; }

 private:
  const llorch_plugin_api& api_;
  llorch_model* handle_;
  llorch_model_info info_;
};

/// The plugin and the model of one rule. Loads, opens and creates on first use.
class Subject {
 public:
  explicit Subject(const Target& target) : target_(target) {}
  ~Subject();
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  [[nodiscard]] const Target& target() const { return target_; }
  /// The dlopen() handle. Broken: it does not load.
  void* library();
  decltype(&llorch_plugin_query) query();
  decltype(&llorch_plugin_open) open();
  /// What llorch_plugin_query says. Broken: it fails.
  llorch_plugin_info info();

  /// Opened with the version the plugin names as its latest that the host speaks.
  const llorch_plugin_api& api();
  llorch_plugin* handle();
  Services& services() { return services_; }

  [[nodiscard]] const llorch_source& source() const { return *target_.source; }
  Answer try_probe(const llorch_source& from, llorch_model_info& out);
  llorch_model_info probe();
  [[nodiscard]] bool has(std::uint64_t caps) { return (probe().caps & caps) == caps; }
  /// NotApplicable unless the model has all of these capabilities; `name` names them.
  void needs(std::uint64_t caps, const char* name);
  /// Broken when it fails.
  std::unique_ptr<Model> make_model() { return make_model(source()); }
  std::unique_ptr<Model> make_model(const llorch_source& from);
  Answer try_model(const llorch_source& from, llorch_model** out);
  /// The one that rules share.
  Model& model();

  /// Token ids of this vocabulary, always the same for the same seed.
  std::vector<std::int32_t> ids(std::size_t count, std::uint32_t seed = 0);
  /// How many tokens a rule's prompt has: 24, or what the model's positions allow.
  std::int32_t length();

  /// What is worth saying about a rule that holds.
  std::string note;

 private:
  const Target& target_;
  Services services_;
  void* library_ = nullptr;
  const llorch_plugin_api* api_ = nullptr;
  llorch_plugin* handle_ = nullptr;
  std::optional<llorch_model_info> info_;
  std::unique_ptr<Model> model_;
};

/// A struct T in poisoned memory: `size` is what it claims; everything behind its end must stay poison.
template <class T>
class Poisoned {
 public:
  static constexpr unsigned char kPoison = 0xA5;
  explicit Poisoned(std::size_t size, const T& content = {}) : bytes_(sizeof(T) + 128, kPoison) {
    std::memcpy(bytes_.data(), &content, std::min(size, sizeof(T)));
    const auto claimed = static_cast<std::uint32_t>(size);
    std::memcpy(bytes_.data(), &claimed, sizeof claimed);
  }
  T* get() { return reinterpret_cast<T*>(bytes_.data()); }
  [[nodiscard]] bool untouched_from(std::size_t end) const {
    return std::all_of(bytes_.begin() + static_cast<std::ptrdiff_t>(end), bytes_.end(),
                       [](unsigned char byte) { return byte == kPoison; });
  }

 private:
  std::vector<unsigned char> bytes_;
};

}  // namespace llorch::conformance
