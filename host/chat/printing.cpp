#include "chat/printing.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "chat/unicode.hpp"

namespace llorch::chat {
namespace {

// Whether anything in the value is foreign is found on the way: the result is one stretch.
class Writer {
 public:
  explicit Writer(Runtime& runtime) : runtime_(runtime), charge_(runtime.meter, 0) {}

  void add(std::string_view bytes) {
    charge_.grow(bytes.size());
    runtime_.spend_bytes(bytes.size());
    out_ += bytes;
  }
  void touch(const Text& text) { foreign_ = foreign_ || text.has_foreign(); }
  [[nodiscard]] Runtime& runtime() { return runtime_; }
  [[nodiscard]] Text take() { return Text(std::move(out_), foreign_ ? Origin::kForeign : Origin::kTemplate); }

 private:
  Runtime& runtime_;
  Charge charge_;
  std::string out_;
  bool foreign_ = false;
};

void write_repr(Writer& out, const Value& value);

void write_quoted(Writer& out, const Text& text) {
  out.touch(text);
  const std::string_view bytes = text.bytes();
  const bool has_single = bytes.find('\'') != std::string_view::npos;
  const char quote = has_single && bytes.find('"') == std::string_view::npos ? '"' : '\'';
  out.add({&quote, 1});
  for_each_character(bytes, [&](char32_t c, std::string_view character) {
    if (c == static_cast<char32_t>(quote) || c == '\\') {
      out.add("\\");
      out.add(character);
    } else if (c == '\n') {
      out.add("\\n");
    } else if (c == '\r') {
      out.add("\\r");
    } else if (c == '\t') {
      out.add("\\t");
    } else if (is_printable(c)) {
      out.add(character);
    } else if (c <= 0xFF) {
      out.add(fmt::format("\\x{:02x}", static_cast<std::uint32_t>(c)));
    } else if (c <= 0xFFFF) {
      out.add(fmt::format("\\u{:04x}", static_cast<std::uint32_t>(c)));
    } else {
      out.add(fmt::format("\\U{:08x}", static_cast<std::uint32_t>(c)));
    }
  });
  out.add({&quote, 1});
}

template <class Items, class Write>
void write_separated(Writer& out, const Items& items, std::string_view separator, Write write) {
  bool first = true;
  for (const auto& item : items) {
    if (!first) out.add(separator);
    first = false;
    write(item);
  }
}

void write_list_repr(Writer& out, const ListNode& list) {
  const bool tuple = list.kind == ListKind::kTuple;
  const bool view = !tuple && list.kind != ListKind::kList;
  if (view) {
    out.add(list.kind == ListKind::kKeys    ? "dict_keys("
            : list.kind == ListKind::kItems ? "dict_items("
                                            : "dict_values(");
  }
  out.add(tuple ? "(" : "[");
  write_separated(out, list.items, ", ", [&](const Value& item) { write_repr(out, item); });
  if (tuple && list.items.size() == 1) out.add(",");
  out.add(tuple ? ")" : "]");
  if (view) out.add(")");
}

void write_repr(Writer& out, const Value& value) {
  out.runtime().spend();
  if (const Text* text = value.text()) {
    write_quoted(out, *text);
  } else if (const auto* flag = value.get_if<bool>()) {
    out.add(*flag ? "True" : "False");
  } else if (const auto* whole = value.get_if<std::int64_t>()) {
    out.add(std::to_string(*whole));
  } else if (const auto* real = value.get_if<double>()) {
    out.add(float_repr(*real));
  } else if (value.is<None>()) {
    out.add("None");
  } else if (const auto* list = value.get_if<ListRef>()) {
    write_list_repr(out, **list);
  } else if (const DictNode* dict = value.dict()) {
    out.add("{");
    write_separated(out, dict->entries, ", ", [&](const auto& entry) {
      write_repr(out, entry.first);
      out.add(": ");
      write_repr(out, entry.second);
    });
    out.add("}");
  } else if (const Object* object = value.object()) {
    out.add(object->repr(out.runtime()));
  } else {
    out.add("Undefined");
  }
}

class JsonDump {
 public:
  JsonDump(Writer& out, const JsonStyle& style) : out_(out), style_(style) {}

  void write(const Value& value) {
    out_.runtime().spend();
    if (const Text* text = value.text()) {
      out_.touch(*text);
      quoted(text->bytes());
    } else if (value.items() != nullptr && is_sequence(value)) {
      enclosed('[', ']', *value.items(), [&](const Value& item) { write(item); });
    } else if (const DictNode* dict = value.dict()) {
      write_dict(*dict);
    } else if (const auto scalar = this->scalar(value)) {
      out_.add(*scalar);
    } else {
      fail(fmt::format("tojson: object of type {} is not JSON serializable", type_name(value)));
    }
  }

 private:
  static bool is_sequence(const Value& value) {
    const ListKind kind = (*value.get_if<ListRef>())->kind;
    return kind == ListKind::kList || kind == ListKind::kTuple;
  }

  static std::optional<std::string> scalar(const Value& value) {
    if (const auto* flag = value.get_if<bool>()) return *flag ? "true" : "false";
    if (const auto* whole = value.get_if<std::int64_t>()) return std::to_string(*whole);
    if (value.is<None>()) return "null";
    const auto* real = value.get_if<double>();
    if (real == nullptr) return std::nullopt;
    if (std::isnan(*real)) return "NaN";
    if (std::isinf(*real)) return *real > 0 ? "Infinity" : "-Infinity";
    return float_repr(*real);
  }

  void write_dict(const DictNode& dict) {
    std::vector<std::pair<std::string, const Value*>> members;
    for (const auto& [key, value] : dict.entries) {
      const Text* text = key.text();
      const auto name = text != nullptr ? std::optional<std::string>(text->bytes()) : scalar(key);
      if (text != nullptr) out_.touch(*text);
      if (!name) fail(fmt::format("tojson: keys must be str, int, float, bool or None, not {}", type_name(key)));
      members.emplace_back(*name, &value);
    }
    if (style_.sort_keys) {
      std::stable_sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    }
    enclosed('{', '}', members, [&](const auto& member) {
      quoted(member.first);
      out_.add(style_.key_separator);
      write(*member.second);
    });
  }

  template <class Items, class Write>
  void enclosed(char open, char close, const Items& items, Write write_item) {
    out_.add({&open, 1});
    if (!items.empty()) {
      ++level_;
      std::string separator = style_.item_separator;
      if (style_.indent) separator += line_start();
      if (style_.indent) out_.add(line_start());
      write_separated(out_, items, separator, write_item);
      --level_;
      if (style_.indent) out_.add(line_start());
    }
    out_.add({&close, 1});
  }

  [[nodiscard]] std::string line_start() const {
    std::string text = "\n";
    for (std::size_t i = 0; i < level_; ++i)
      text += *style_.indent;
    return text;
  }

  void quoted(std::string_view bytes) {
    out_.add("\"");
    for_each_character(bytes, [&](char32_t c, std::string_view character) {
      constexpr std::string_view kShort = "\"\\\n\r\t\f\b";
      constexpr std::string_view kLetters = "\"\\nrtfb";
      const std::size_t at = c < 0x80 ? kShort.find(static_cast<char>(c)) : std::string_view::npos;
      if (at != std::string_view::npos) {
        out_.add("\\");
        out_.add(kLetters.substr(at, 1));
      } else if (c < 0x20 || (c > 0x7E && style_.ensure_ascii)) {
        out_.add(escape(c));
      } else {
        out_.add(character);
      }
    });
    out_.add("\"");
  }

  static std::string escape(char32_t c) {
    const auto code = static_cast<std::uint32_t>(c);
    if (code <= 0xFFFF) return fmt::format("\\u{:04x}", code);
    const std::uint32_t rest = code - 0x10000;
    return fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10U), 0xDC00 + (rest & 0x3FFU));
  }

  Writer& out_;
  const JsonStyle& style_;
  std::size_t level_ = 0;
};

}  // namespace

std::string float_repr(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  std::array<char, 40> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, std::chars_format::scientific);
  const std::string_view text(buffer.data(), static_cast<std::size_t>(end.ptr - buffer.data()));
  const std::size_t e = text.find('e');
  int exponent = 0;
  std::from_chars(text.data() + e + (text[e + 1] == '+' ? 2 : 1), text.data() + text.size(), exponent);
  std::string digits;
  const bool negative = text.front() == '-';
  for (const char c : text.substr(0, e)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  const std::string_view sign = negative ? "-" : "";
  const int count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    return fmt::format("{}{}{}{}e{}{:02}", sign, digits[0], count > 1 ? "." : "", std::string_view(digits).substr(1),
                       exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) return fmt::format("{}0.{:0<{}}{}", sign, "", -exponent - 1, digits);
  const auto whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) return fmt::format("{}{:0<{}}.0", sign, digits, whole);
  return fmt::format("{}{}.{}", sign, std::string_view(digits).substr(0, whole),
                     std::string_view(digits).substr(whole));
}

Text repr(Runtime& runtime, const Value& value) {
  Writer out(runtime);
  write_repr(out, value);
  return out.take();
}

Text to_text(Runtime& runtime, const Value& value) {
  if (const Text* text = value.text()) return *text;
  if (value.is_undefined()) return {};
  return repr(runtime, value);
}

Text to_json(Runtime& runtime, const Value& value, const JsonStyle& style) {
  Writer out(runtime);
  JsonDump(out, style).write(value);
  return out.take();
}

Value from_json(const boost::json::value& json, Origin origin) {
  switch (json.kind()) {
    case boost::json::kind::null:
      return None{};
    case boost::json::kind::bool_:
      return json.get_bool();
    case boost::json::kind::int64:
      return json.get_int64();
    case boost::json::kind::uint64:  // beyond 63 bits: Python would keep it whole
      return static_cast<double>(json.get_uint64());
    case boost::json::kind::double_:
      return json.get_double();
    case boost::json::kind::string:
      return free_text(json.get_string(), origin);
    case boost::json::kind::array: {
      std::vector<Value> items;
      for (const boost::json::value& item : json.get_array())
        items.push_back(from_json(item, origin));
      return free_list(std::move(items));
    }
    case boost::json::kind::object: {
      std::vector<std::pair<Value, Value>> entries;
      for (const auto& member : json.get_object())
        entries.emplace_back(free_text(member.key(), origin), from_json(member.value(), origin));
      return free_dict(std::move(entries));
    }
  }
  return None{};
}

}  // namespace llorch::chat
