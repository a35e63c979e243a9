// Filters that give text or numbers.
#include <spdlog/fmt/fmt.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "chat/filters.hpp"
#include "chat/objects.hpp"
#include "chat/operators.hpp"
#include "chat/printf_format.hpp"
#include "chat/printing.hpp"
#include "chat/text_methods.hpp"
#include "chat/unicode.hpp"

namespace llorch::chat {
namespace {

using Bound = std::vector<std::optional<Value>>;

Value trim(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  const Bound values = bind(arguments, "trim", {"chars"});
  const Text* characters = !values[0] || values[0]->is<None>() ? nullptr : &as_text(*values[0], "trim");
  return make_text(runtime, strip(runtime, to_text(runtime, subject), characters, Side::kBoth));
}

template <std::string (*kChange)(std::string_view)>
Value change_case(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  static_cast<void>(bind(arguments, "upper or lower", {}));
  return make_text(runtime, map_stretches(to_text(runtime, subject), kChange));
}

Value capitalize_filter(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  static_cast<void>(bind(arguments, "capitalize", {}));
  return make_text(runtime, capitalize(to_text(runtime, subject)));
}

// Words begin at the start and after runs of white space, hyphens and opening brackets.
Value title(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  static_cast<void>(bind(arguments, "title", {}));
  bool begins = true;
  return make_text(runtime, map_stretches(to_text(runtime, subject), [&](std::string_view stretch) {
                     std::string out;
                     for_each_character(stretch, [&](char32_t c, std::string_view) {
                       const bool breaks = is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
                       begins ? append_upper(out, c) : append_lower(out, c);
                       begins = breaks;
                     });
                     return out;
                   }));
}

Value replace_filter(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  const Bound values = bind(arguments, "replace", {"old", "new", "count"}, 2);
  const bool limited = values[2] && !values[2]->is<None>();
  return replace(runtime, to_text(runtime, subject), to_text(runtime, *values[0]), to_text(runtime, *values[1]),
                 limited ? as_integer(*values[2], "replace") : -1);
}

Value string(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  static_cast<void>(bind(arguments, "string", {}));
  return subject.text() != nullptr ? subject : make_text(runtime, to_text(runtime, subject));
}

Value escape(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  static_cast<void>(bind(arguments, "escape", {}));
  return make_text(runtime, map_stretches(to_text(runtime, subject), [](std::string_view stretch) {
                     std::string out;
                     for (const char c : stretch) {
                       constexpr std::string_view kSpecial = "&<>'\"";
                       constexpr std::array<std::string_view, 5> kNames = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
                       const std::size_t at = kSpecial.find(c);
                       at == std::string_view::npos ? out += c : out += kNames[at];
                     }
                     return out;
                   }));
}

Value safe(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  return string(runtime, subject, arguments);
}

Value indent(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  const Bound values = bind(arguments, "indent", {"width", "first", "blank"});
  Text indention(std::string(4, ' '));
  if (values[0] && values[0]->text() != nullptr) {
    indention = *values[0]->text();
  } else if (values[0]) {
    const std::int64_t width = std::max<std::int64_t>(as_integer(*values[0], "indent"), 0);
    runtime.meter.check(static_cast<std::size_t>(width));
    indention = Text(std::string(static_cast<std::size_t>(width), ' '));
  }
  const bool first = values[1] && truth(*values[1]);
  const bool blank = values[2] && truth(*values[2]);
  Text text = as_text(subject, "indent");
  text.append("\n", Origin::kTemplate);  // as jinja2 does: a last line that is empty counts
  const Value lines = split_lines(runtime, text, false);
  TextBuilder out(runtime);
  if (first) out.append(indention);
  bool is_first = true;
  for (const Value& line : *lines.items()) {
    if (!is_first) out.append("\n");
    if (!is_first && (blank || !line.text()->empty())) out.append(indention);
    is_first = false;
    out.append(*line.text());
  }
  return out.value();
}

Value center_filter(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  const Bound values = bind(arguments, "center", {"width"});
  return center(runtime, to_text(runtime, subject), values[0] ? as_integer(*values[0], "center") : 80, Text(" "));
}

Value format(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  if (!arguments.named.empty() && !arguments.positional.empty()) fail("format: positional or named values, not both");
  if (arguments.named.empty()) {
    return printf_format(runtime, to_text(runtime, subject),
                         make_list(runtime, arguments.positional, ListKind::kTuple));
  }
  std::vector<std::pair<Value, Value>> entries;
  for (const auto& [name, value] : arguments.named)
    entries.emplace_back(make_text(runtime, name), value);
  return printf_format(runtime, to_text(runtime, subject), make_dict(runtime, std::move(entries)));
}

Value word_count(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  static_cast<void>(bind(arguments, "wordcount", {}));
  const Text text = to_text(runtime, subject);
  std::int64_t words = 0;
  bool inside = false;
  for_each_character(text.bytes(), [&](char32_t c, std::string_view) {
    const bool word = is_alpha(c) || is_digit(c) || c == '_';
    if (word && !inside) ++words;
    inside = word;
  });
  return words;
}

Value tojson(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  const Bound values = bind(arguments, "tojson", {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ensure_ascii = values[0] && truth(*values[0]);
  style.sort_keys = values[3] && truth(*values[3]);
  if (values[1] && !values[1]->is<None>()) {
    if (const Text* text = values[1]->text()) {
      style.indent = text->bytes();
    } else {
      constexpr std::int64_t kMaxIndent = 64;
      const std::int64_t width = as_integer(*values[1], "tojson: indent");
      if (width > kMaxIndent) fail(fmt::format("tojson: indent must not exceed {}", kMaxIndent));
      style.indent = std::string(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)), ' ');
    }
    style.item_separator = ',';
  }
  if (values[2] && !values[2]->is<None>()) {
    const auto* pair = values[2]->items();
    if (pair == nullptr || pair->size() != 2) fail("tojson: separators must be two strings");
    style.item_separator = as_text((*pair)[0], "tojson").bytes();
    style.key_separator = as_text((*pair)[1], "tojson").bytes();
  }
  return make_text(runtime, to_json(runtime, subject, style));
}

// A Python number literal without fraction: sign, digits, single underscores between digits, white space around.
std::optional<std::int64_t> parse_int(std::string_view text, int base) {
  text.remove_prefix(leading_space(text));
  text.remove_suffix(trailing_space(text));
  std::string digits;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    if (text.front() == '-') digits += '-';
    text.remove_prefix(1);
  }
  const char letter = text.size() > 2 && text[0] == '0' ? static_cast<char>(text[1] | 0x20) : ' ';
  if ((base == 16 && letter == 'x') || (base == 8 && letter == 'o') || (base == 2 && letter == 'b')) {
    text.remove_prefix(2);
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '-') return std::nullopt;
    const bool separator = text[i] == '_' && i > 0 && i + 1 < text.size() && text[i - 1] != '_';
    if (!separator) digits += text[i];
  }
  std::int64_t number = 0;
  const char* const last = digits.data() + digits.size();
  const auto [end, error] = std::from_chars(digits.data(), last, number, base);
  return error == std::errc() && end == last ? std::optional(number) : std::nullopt;
}

std::optional<double> parse_float(std::string_view text) {
  text.remove_prefix(leading_space(text));
  text.remove_suffix(trailing_space(text));
  if (text.starts_with('+')) text.remove_prefix(1);
  std::string digits;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool separator = text[i] == '_' && i > 0 && i + 1 < text.size() && text[i - 1] != '_';
    if (!separator) digits += text[i];
  }
  double number = 0;
  const char* const last = digits.data() + digits.size();
  const auto [end, error] = std::from_chars(digits.data(), last, number);
  if (end != last || digits.empty()) return std::nullopt;
  if (error == std::errc::result_out_of_range) return std::strtod(digits.c_str(), nullptr);
  return error == std::errc() ? std::optional(number) : std::nullopt;
}

std::optional<std::int64_t> truncated(double number) {
  constexpr double kLimit = 9223372036854775808.0;
  if (!(number >= -kLimit && number < kLimit)) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

Value to_int(Runtime&, const Value& subject, const Arguments& arguments) {
  const Bound values = bind(arguments, "int", {"default", "base"});
  require_defined(subject);
  Value otherwise = values[0].value_or(Value(std::int64_t{0}));
  if (const auto whole = subject.integer()) return *whole;
  if (const auto* real = subject.get_if<double>()) {
    if (const auto whole = truncated(*real)) return *whole;
    return otherwise;
  }
  const Text* text = subject.text();
  if (text == nullptr) return otherwise;
  const std::int64_t base = values[1] ? as_integer(*values[1], "int") : 10;
  if (base < 2 || base > 36) fail("int: expected a base from 2 to 36");
  if (const auto whole = parse_int(text->bytes(), static_cast<int>(base))) return *whole;
  const auto real = parse_float(text->bytes());
  if (real) {
    if (const auto whole = truncated(*real)) return *whole;
  }
  return otherwise;
}

Value to_float(Runtime&, const Value& subject, const Arguments& arguments) {
  const Bound values = bind(arguments, "float", {"default"});
  require_defined(subject);
  Value otherwise = values[0].value_or(Value(0.0));
  if (const auto number = subject.number()) return *number;
  if (const Text* text = subject.text()) {
    if (const auto number = parse_float(text->bytes())) return *number;
  }
  return otherwise;
}

Value absolute(Runtime&, const Value& subject, const Arguments& arguments) {
  static_cast<void>(bind(arguments, "abs", {}));
  require_defined(subject);
  if (const auto* real = subject.get_if<double>()) return std::abs(*real);
  const auto whole = subject.integer();
  if (!whole) fail(fmt::format("abs: expected a number, found {}", type_name(subject)));
  return *whole < 0 ? negate(*whole) : Value(*whole);
}

Value round_number(Runtime&, const Value& subject, const Arguments& arguments) {
  const Bound values = bind(arguments, "round", {"precision", "method"});
  require_defined(subject);
  const auto number = subject.number();
  const std::int64_t precision = values[0] ? as_integer(*values[0], "round") : 0;
  const std::string method = values[1] ? as_text(*values[1], "round").bytes() : "common";
  if (!number) fail(fmt::format("round: expected a number, found {}", type_name(subject)));
  if (method != "common" && method != "ceil" && method != "floor") fail("round: method must be common, ceil or floor");
  if (precision < -300 || precision > 300) fail("round: expected a precision from -300 to 300");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  if (method == "ceil") return std::ceil(*number * scale) / scale;
  if (method == "floor") return std::floor(*number * scale) / scale;
  if (subject.integer()) {  // an int stays one
    if (precision >= 0) return *subject.integer();
    const double rounded = std::nearbyint(*number * scale) / scale;
    return truncated(rounded).value_or(0);
  }
  if (precision <= 0 || !std::isfinite(*number)) return std::nearbyint(*number * scale) / scale;
  std::array<char, 1024> buffer{};  // printf rounds the exact value, as Python does
  std::snprintf(buffer.data(), buffer.size(), "%.*f", static_cast<int>(precision), *number);
  return std::strtod(buffer.data(), nullptr);
}

Value default_value(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  const Bound values = bind(arguments, "default", {"default_value", "boolean"});
  const bool falsy_too = values[1] && truth(*values[1]);
  if (!subject.is_undefined() && (!falsy_too || truth(subject))) return subject;
  return values[0] ? *values[0] : make_text(runtime, Text());
}

}  // namespace

Filter find_text_filter(std::string_view name) {
  static const std::map<std::string_view, Filter> filters = {
      {"trim", trim},
      {"upper", change_case<to_upper>},
      {"lower", change_case<to_lower>},
      {"capitalize", capitalize_filter},
      {"title", title},
      {"replace", replace_filter},
      {"string", string},
      {"escape", escape},
      {"e", escape},
      {"safe", safe},
      {"indent", indent},
      {"center", center_filter},
      {"format", format},
      {"wordcount", word_count},
      {"tojson", tojson},
      {"int", to_int},
      {"float", to_float},
      {"abs", absolute},
      {"round", round_number},
      {"default", default_value},
      {"d", default_value},
  };
  const auto found = filters.find(name);
  return found == filters.end() ? nullptr : found->second;
}

}  // namespace llorch::chat
