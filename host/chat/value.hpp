// Values of the template language: Python's, as far as templates see them. All but Objects are immutable.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "chat/runtime.hpp"
#include "chat/text.hpp"

namespace llorch::chat {

class Value;
class Object;
struct TextNode;
struct ListNode;
struct DictNode;

/// What a name, attribute or item that does not exist gives. Most uses of it fail with `message`.
struct Undefined {
  std::shared_ptr<const std::string> message;
};
struct None {};

using TextRef = std::shared_ptr<const TextNode>;
using ListRef = std::shared_ptr<const ListNode>;
using DictRef = std::shared_ptr<const DictNode>;
using ObjectRef = std::shared_ptr<Object>;

/// How a list came about; it decides how it prints and which attributes it has.
enum class ListKind : std::uint8_t { kList, kTuple, kKeys, kValues, kItems };

class Value {
 public:
  using Content = std::variant<Undefined, None, bool, std::int64_t, double, TextRef, ListRef, DictRef, ObjectRef>;

  Value() = default;  ///< undefined, without a message
  Value(None none) : content_(none) {}
  Value(bool flag) : content_(flag) {}
  Value(std::int64_t number) : content_(number) {}
  Value(double number) : content_(number) {}
  Value(Undefined undefined) : content_(std::move(undefined)) {}
  Value(TextRef text) : content_(std::move(text)) {}
  Value(ListRef list) : content_(std::move(list)) {}
  Value(DictRef dict) : content_(std::move(dict)) {}
  Value(ObjectRef object) : content_(std::move(object)) {}
  template <class T>
  Value(T*) = delete;  // a pointer is not a truth value

  [[nodiscard]] const Content& content() const { return content_; }
  template <class T>
  [[nodiscard]] bool is() const {
    return std::holds_alternative<T>(content_);
  }
  template <class T>
  [[nodiscard]] const T* get_if() const {
    return std::get_if<T>(&content_);
  }
  [[nodiscard]] bool is_undefined() const { return is<Undefined>(); }
  [[nodiscard]] const Text* text() const;
  [[nodiscard]] const std::vector<Value>* items() const;  ///< of any kind of list
  [[nodiscard]] const DictNode* dict() const;
  [[nodiscard]] Object* object() const;
  /// An int, with True and False as 1 and 0.
  [[nodiscard]] std::optional<std::int64_t> integer() const;
  /// An int, float or bool.
  [[nodiscard]] std::optional<double> number() const;
  [[nodiscard]] std::uint32_t depth() const;  ///< levels of lists and dicts

 private:
  Content content_;
};

struct TextNode {
  Text text;
  Charge charge;
};

struct ListNode {
  std::vector<Value> items;
  ListKind kind = ListKind::kList;
  std::uint32_t depth = 1;
  Charge charge;
};

struct DictNode {
  std::vector<std::pair<Value, Value>> entries;  ///< in order of insertion
  std::uint32_t depth = 1;
  Charge charge;
  [[nodiscard]] const Value* find(Runtime& runtime, const Value& key) const;
  [[nodiscard]] const Value* find(std::string_view key) const;
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

/// Namespaces, functions, macros, loops, ranges, generators.
class Object {
 public:
  virtual ~Object() = default;
  [[nodiscard]] virtual std::string_view type_name() const = 0;
  [[nodiscard]] virtual std::string repr(Runtime& runtime) const;
  [[nodiscard]] virtual bool truth() const { return true; }
  [[nodiscard]] virtual std::optional<std::size_t> length() const { return std::nullopt; }
  [[nodiscard]] virtual std::optional<Value> attribute(Runtime& runtime, std::string_view name);
  [[nodiscard]] virtual std::optional<Value> item(Runtime& runtime, std::int64_t index);
  /// False when the object cannot be iterated over.
  [[nodiscard]] virtual bool iterate(Runtime& runtime, std::vector<Value>& out);
  [[nodiscard]] virtual bool callable() const { return false; }
  [[nodiscard]] virtual Value call(Runtime& runtime, const Arguments& arguments);
  [[nodiscard]] virtual std::uint32_t depth() const { return 0; }
};

// Making values. The meter of `runtime` is charged for them.
[[nodiscard]] Value make_text(Runtime& runtime, Text text);
[[nodiscard]] Value make_text(Runtime& runtime, std::string_view text, Origin origin = Origin::kTemplate);
[[nodiscard]] Value make_list(Runtime& runtime, std::vector<Value> items, ListKind kind = ListKind::kList);
[[nodiscard]] Value make_dict(Runtime& runtime, std::vector<std::pair<Value, Value>> entries);
/// Values that live longer than a rendering; nothing is charged.
[[nodiscard]] Value free_text(std::string_view text, Origin origin);
[[nodiscard]] Value free_list(std::vector<Value> items);
[[nodiscard]] Value free_dict(std::vector<std::pair<Value, Value>> entries);
[[nodiscard]] Value undefined(std::string message);

// Python's meaning of values.
[[nodiscard]] bool truth(const Value& value);
[[nodiscard]] bool equal(Runtime& runtime, const Value& left, const Value& right);
/// "str", "list", "Undefined", ...
[[nodiscard]] std::string_view type_name(const Value& value);
/// "str object", "None", ...: as messages of jinja2 name a value.
[[nodiscard]] std::string describe(const Value& value);
/// Fails on undefined values, with their message.
void require_defined(const Value& value);
/// The items of anything that can be iterated over; fails otherwise. An undefined value has none.
[[nodiscard]] std::vector<Value> iterate(Runtime& runtime, const Value& value);
/// len(); fails where there is none.
[[nodiscard]] std::size_t length(const Value& value);
/// True if it can be a key of a dict.
[[nodiscard]] bool hashable(Runtime& runtime, const Value& value);

/// Builds text and charges for it while it grows.
class TextBuilder {
 public:
  explicit TextBuilder(Runtime& runtime) : runtime_(runtime), charge_(runtime.meter, 0) {}
  void append(const Text& text) { append(text, 0, text.size()); }
  void append(const Text& text, std::size_t begin, std::size_t end);
  void append(std::string_view bytes, Origin origin = Origin::kTemplate);
  [[nodiscard]] const Text& text() const { return text_; }
  [[nodiscard]] Text take();
  [[nodiscard]] Value value() { return make_text(runtime_, take()); }

 private:
  void grow(std::size_t bytes);
  Runtime& runtime_;
  Text text_;
  Charge charge_;
};

}  // namespace llorch::chat
