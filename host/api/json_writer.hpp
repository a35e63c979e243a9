// JSON as text, written straight into a string: events are too many to build a tree for each.
#pragma once

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

namespace llorch::api {

/// Appends `text` with quotes and escapes. Bytes that are not UTF-8 become U+FFFD, so the output always is.
void append_json_string(std::string& out, std::string_view text);

/// Writes one document; commas come by themselves. The caller pairs begin and end.
///
///     JsonWriter json(out);
///     json.begin_object().member("type", "token").member("i", 3).end_object();
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);

  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(bool flag);
  JsonWriter& value(double number);  ///< shortest text that reads back the same; not finite: null
  JsonWriter& value(float number);
  JsonWriter& value(std::nullptr_t);
  template <std::integral T>
  requires(!std::same_as<T, bool>) JsonWriter& value(T number) {
    separate();
    out_ += std::to_string(number);
    return *this;
  }
  /// Text that is JSON already.
  JsonWriter& raw(std::string_view json);

  template <class T>
  JsonWriter& member(std::string_view name, const T& content) {
    key(name);
    return value(content);
  }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void separate();

  std::string& out_;
  bool needs_comma_ = false;
};

}  // namespace llorch::api
