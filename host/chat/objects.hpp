// The mutable and callable values: namespaces, generators, ranges, native functions.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chat/value.hpp"

namespace llorch::chat {

/// namespace(): the one thing a template can change.
class Namespace : public Object, public Clearable {
 public:
  explicit Namespace(Runtime& runtime) : charge_(runtime.meter, sizeof(Namespace)) {}
  [[nodiscard]] std::string_view type_name() const override { return "Namespace"; }
  [[nodiscard]] std::optional<Value> attribute(Runtime& runtime, std::string_view name) override;
  void set(std::string_view name, Value value);
  void clear() noexcept override { attributes_.clear(); }

 private:
  std::vector<std::pair<std::string, Value>> attributes_;
  Charge charge_;
};

/// What lazy filters give: true in conditions, without a length, and empty after it has been read once.
class Generator : public Object {
 public:
  Generator(Runtime& runtime, std::vector<Value> items);
  [[nodiscard]] std::string_view type_name() const override { return "generator"; }
  [[nodiscard]] bool iterate(Runtime& runtime, std::vector<Value>& out) override;
  [[nodiscard]] std::uint32_t depth() const override { return depth_; }
  /// The next item, if there is one.
  [[nodiscard]] std::optional<Value> next();

 private:
  std::vector<Value> items_;
  std::size_t next_ = 0;
  std::uint32_t depth_;
  Charge charge_;
};
[[nodiscard]] Value make_generator(Runtime& runtime, std::vector<Value> items);

/// range(begin, end, step), at most kMaxRange numbers.
class Range : public Object {
 public:
  Range(std::int64_t begin, std::int64_t step, std::size_t count) : begin_(begin), step_(step), count_(count) {}
  [[nodiscard]] std::string_view type_name() const override { return "range"; }
  [[nodiscard]] std::string repr(Runtime& runtime) const override;
  [[nodiscard]] bool truth() const override { return count_ > 0; }
  [[nodiscard]] std::optional<std::size_t> length() const override { return count_; }
  [[nodiscard]] std::optional<Value> item(Runtime& runtime, std::int64_t index) override;
  [[nodiscard]] bool iterate(Runtime& runtime, std::vector<Value>& out) override;

 private:
  std::int64_t begin_, step_;
  std::size_t count_;
};

using Native = std::function<Value(Runtime&, const Arguments&)>;

/// A function or bound method of the language itself. `receiver_depth`: of the values that `native` holds.
class NativeFunction : public Object {
 public:
  NativeFunction(Runtime& runtime, Native native, std::uint32_t receiver_depth);
  [[nodiscard]] std::string_view type_name() const override { return "function"; }
  [[nodiscard]] bool callable() const override { return true; }
  [[nodiscard]] Value call(Runtime& runtime, const Arguments& arguments) override {
    return native_(runtime, arguments);
  }
  [[nodiscard]] std::uint32_t depth() const override { return depth_; }

 private:
  Native native_;
  std::uint32_t depth_;
  Charge charge_;
};
[[nodiscard]] Value make_function(Runtime& runtime, Native native, std::uint32_t receiver_depth = 0);

/// range, dict, namespace, raise_exception, strftime_now, joiner, cycler; empty for other names.
[[nodiscard]] std::optional<Value> find_global(Runtime& runtime, std::string_view name);

/// The method of a str, list or dict; empty when there is none of that name. Methods that would change their receiver
/// are there, and fail.
[[nodiscard]] std::optional<Value> find_method(Runtime& runtime, const Value& receiver, std::string_view name);

/// The values of named parameters in their order; empty where none was given. Fails on arguments that fit no parameter
/// and when one of the first `required` is missing.
[[nodiscard]] std::vector<std::optional<Value>> bind(const Arguments& arguments, std::string_view function,
                                                     std::initializer_list<std::string_view> parameters,
                                                     std::size_t required = 0);
/// Fails unless the argument is of that type. `what` names it in the message.
[[nodiscard]] std::int64_t as_integer(const Value& value, std::string_view what);
[[nodiscard]] const Text& as_text(const Value& value, std::string_view what);

}  // namespace llorch::chat
