#include "chat/printf_format.hpp"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "chat/operators.hpp"
#include "chat/printing.hpp"

namespace llorch::chat {
namespace {

constexpr std::size_t kMaxWidth = 1000;  // of one field; also its digits

struct Conversion {
  bool left = false, plus = false, space = false, zero = false, alternate = false;
  std::size_t width = 0;
  std::optional<std::size_t> precision;
  char type = 's';
};

std::size_t read_size(std::string_view text, std::size_t& at) {
  std::size_t number = 0;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
    number = number * 10 + static_cast<std::size_t>(text[at++] - '0');
    if (number > kMaxWidth) fail(fmt::format("format: a width or precision exceeds {}", kMaxWidth));
  }
  return number;
}

// The sign that goes before a number.
std::string sign_of(bool negative, const Conversion& conversion) {
  return negative ? "-" : conversion.plus ? "+" : conversion.space ? " " : "";
}

std::string whole_number(const Value& value, const Conversion& conversion, std::string& prefix) {
  std::optional<std::int64_t> number = value.integer();
  if (const auto* real = value.get_if<double>(); real != nullptr && std::abs(*real) < 9e18) {
    number = static_cast<std::int64_t>(*real);
  }
  if (!number) fail(fmt::format("format: %{} expects a number, found {}", conversion.type, type_name(value)));
  const bool negative = *number < 0;
  const std::uint64_t size = negative ? ~static_cast<std::uint64_t>(*number) + 1 : static_cast<std::uint64_t>(*number);
  std::string digits = conversion.type == 'x'   ? fmt::format("{:x}", size)
                       : conversion.type == 'X' ? fmt::format("{:X}", size)
                       : conversion.type == 'o' ? fmt::format("{:o}", size)
                                                : fmt::format("{}", size);
  if (conversion.precision && digits.size() < *conversion.precision) {
    digits.insert(0, *conversion.precision - digits.size(), '0');
  }
  prefix = sign_of(negative, conversion);
  if (conversion.alternate && conversion.type != 'd') prefix += std::string("0") + conversion.type;
  return digits;
}

std::string real_number(const Value& value, const Conversion& conversion, std::string& prefix) {
  const auto number = value.number();
  if (!number) fail(fmt::format("format: %{} expects a number, found {}", conversion.type, type_name(value)));
  prefix = sign_of(std::signbit(*number), conversion);
  const std::string pattern = {'%', '.', '*', conversion.type, '\0'};
  std::array<char, 2048> buffer{};  // the longest double has 309 digits before the point
  const int length = std::snprintf(buffer.data(), buffer.size(), pattern.c_str(),
                                   static_cast<int>(conversion.precision.value_or(6)), std::abs(*number));
  return {buffer.data(), static_cast<std::size_t>(length)};
}

void append_padded(TextBuilder& out, const Conversion& conversion, const std::string& prefix, const Text& body,
                   bool is_number) {
  const std::size_t length = prefix.size() + body.length();
  const std::size_t padding = conversion.width > length ? conversion.width - length : 0;
  const bool zeros = is_number && conversion.zero && !conversion.left;
  if (!conversion.left && !zeros) out.append(std::string(padding, ' '));
  out.append(prefix);
  if (zeros) out.append(std::string(padding, '0'));
  out.append(body);
  if (conversion.left) out.append(std::string(padding, ' '));
}

void append_converted(TextBuilder& out, Runtime& runtime, const Conversion& conversion, const Value& value) {
  std::string prefix;
  const std::string_view type(&conversion.type, 1);
  if (conversion.type == 's' || conversion.type == 'r') {
    Text text = conversion.type == 's' ? to_text(runtime, value) : repr(runtime, value);
    if (conversion.precision) text = text.slice(0, text.offset_of(*conversion.precision));
    append_padded(out, conversion, prefix, text, false);
    return;
  }
  require_defined(value);
  if (std::string_view("diuxXo").find(type) != std::string_view::npos) {
    Conversion plain = conversion;
    if (plain.type == 'i' || plain.type == 'u') plain.type = 'd';
    const Text digits(whole_number(value, plain, prefix));
    append_padded(out, plain, prefix, digits, true);
  } else if (std::string_view("eEfFgG").find(type) != std::string_view::npos) {
    const Text digits(real_number(value, conversion, prefix));
    append_padded(out, conversion, prefix, digits, true);
  } else {
    fail(fmt::format("format: unsupported conversion %{}", conversion.type));
  }
}

// Hands out the values that a format asks for, one after another or by name.
class FormatValues {
 public:
  FormatValues(Runtime& runtime, const Value& values) : runtime_(runtime), values_(values) {
    const auto* list = values.get_if<ListRef>();
    is_tuple_ = list != nullptr && (*list)->kind == ListKind::kTuple;
  }
  Value next() {
    const std::size_t count = is_tuple_ ? values_.items()->size() : 1;
    if (next_ >= count) fail("format: not enough values for the format");
    return is_tuple_ ? (*values_.items())[next_++] : (++next_, values_);
  }
  [[nodiscard]] Value named(std::string_view name) {
    by_name_ = true;
    if (values_.dict() == nullptr) fail("format: %(name) expects a dict of values");
    const Value* found = values_.dict()->find(name);
    if (found == nullptr) fail(fmt::format("format: no value named '{}'", name));
    runtime_.spend();
    return *found;
  }
  // A value that could be looked up in by name need not be used, whatever the format holds.
  void finish() const {
    const bool could_be_named = !is_tuple_ && (values_.items() != nullptr || values_.dict() != nullptr ||
                                               values_.object() != nullptr || values_.is_undefined());
    const bool all = is_tuple_ ? next_ == values_.items()->size() : next_ == 1 || by_name_ || could_be_named;
    if (!all) fail("format: not all values were used");
  }

 private:
  Runtime& runtime_;
  const Value& values_;
  bool is_tuple_ = false, by_name_ = false;
  std::size_t next_ = 0;
};

}  // namespace

Value printf_format(Runtime& runtime, const Text& format, const Value& values) {
  TextBuilder out(runtime);
  FormatValues source(runtime, values);
  const std::string_view text = format.bytes();
  std::size_t done = 0;
  for (std::size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', done)) {
    out.append(format, done, at);
    ++at;
    std::optional<Value> value;
    if (at < text.size() && text[at] == '(') {
      const std::size_t close = text.find(')', at);
      if (close == std::string_view::npos) fail("format: expected \")\" after \"%(\"");
      value = source.named(text.substr(at + 1, close - at - 1));
      at = close + 1;
    }
    Conversion conversion;
    for (; at < text.size() && std::string_view("-+ 0#").find(text[at]) != std::string_view::npos; ++at) {
      conversion.left = conversion.left || text[at] == '-';
      conversion.plus = conversion.plus || text[at] == '+';
      conversion.space = conversion.space || text[at] == ' ';
      conversion.zero = conversion.zero || text[at] == '0';
      conversion.alternate = conversion.alternate || text[at] == '#';
    }
    conversion.width = read_size(text, at);
    if (at < text.size() && text[at] == '.') conversion.precision = read_size(text, ++at);
    if (at >= text.size()) fail("format: incomplete format");
    conversion.type = text[at];
    done = at + 1;
    if (conversion.type == '%') {
      out.append("%");
      continue;
    }
    if (!value) value = source.next();
    append_converted(out, runtime, conversion, *value);
  }
  out.append(format, done, text.size());
  source.finish();
  return out.value();
}

Value brace_format(Runtime& runtime, const Text& format, const Arguments& arguments) {
  TextBuilder out(runtime);
  const std::string_view text = format.bytes();
  std::size_t next = 0;
  bool numbered = false;
  std::size_t done = 0;
  for (std::size_t at = text.find_first_of("{}"); at != std::string_view::npos; at = text.find_first_of("{}", done)) {
    out.append(format, done, at);
    if (at + 1 < text.size() && text[at + 1] == text[at]) {
      out.append(text.substr(at, 1));
      done = at + 2;
      continue;
    }
    const std::size_t close = text.find('}', at);
    if (text[at] == '}' || close == std::string_view::npos) fail("format: a single brace in the format");
    const std::string_view field = text.substr(at + 1, close - at - 1);
    std::size_t index = next;
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), index);
    const bool is_number = error == std::errc() && end == field.data() + field.size();
    const Value* value = nullptr;
    if (field.empty() || is_number) {
      if (field.empty()) ++next;
      numbered = numbered || is_number;
      if (numbered && next > 0) fail("format: fields with and without numbers cannot be mixed");
      if (index < arguments.positional.size()) value = &arguments.positional[index];
    } else {
      for (const auto& [name, named] : arguments.named) {
        if (name == field) value = &named;
      }
    }
    if (value == nullptr) fail("format: no value for the field {" + std::string(field) + "}");
    out.append(to_text(runtime, *value));
    done = close + 1;
  }
  out.append(format, done, text.size());
  return out.value();
}

}  // namespace llorch::chat
