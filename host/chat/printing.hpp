// Values as text: str(), repr() and JSON as Python writes them.
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "chat/value.hpp"

namespace llorch::chat {

/// str(value): text is itself, undefined is empty. What is made of a list or dict that holds foreign text is foreign
/// as a whole.
[[nodiscard]] Text to_text(Runtime& runtime, const Value& value);
[[nodiscard]] Text repr(Runtime& runtime, const Value& value);
/// "1.0", "1e-05", "inf", ...: the shortest digits that read back the same, laid out as Python does.
[[nodiscard]] std::string float_repr(double number);

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;  ///< set: one member a line, indented by this much a level
  std::string item_separator = ", ", key_separator = ": ";
};
/// json.dumps(value). Fails on what JSON has no word for.
[[nodiscard]] Text to_json(Runtime& runtime, const Value& value, const JsonStyle& style);

/// A value of a request, all of whose texts are of that origin. Keys of objects are, too.
[[nodiscard]] Value from_json(const boost::json::value& json, Origin origin);

}  // namespace llorch::chat
