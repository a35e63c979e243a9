#include "chat/text_methods.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>

#include "chat/printf_format.hpp"
#include "chat/search.hpp"
#include "chat/unicode.hpp"

namespace llorch::chat {
namespace {

using Method = Value (*)(Runtime&, const Text&, const Arguments&);
using Bound = std::vector<std::optional<Value>>;

bool is_none(const std::optional<Value>& value) {
  return !value || value->is<None>();
}

Value count_value(std::size_t count) {
  return static_cast<std::int64_t>(count);
}

template <Side kSide>
Value strip_method(Runtime& runtime, const Text& text, const Arguments& arguments) {
  const Bound values = bind(arguments, "strip", {"chars"});
  const Text* characters = is_none(values[0]) ? nullptr : &as_text(*values[0], "strip");
  return make_text(runtime, strip(runtime, text, characters, kSide));
}

// Pieces of white space separated text; `max` negative: all.
std::vector<Value> split_words(Runtime& runtime, const Text& text, std::int64_t max, bool from_right) {
  std::vector<Value> pieces;
  std::size_t begin = leading_space(text.bytes());
  std::size_t end = text.size() - trailing_space(text.bytes());
  if (from_right) {
    while (begin < end && max != 0) {
      std::size_t word = end;
      while (word > begin && trailing_space(std::string_view(text.bytes()).substr(0, word)) == 0)
        --word;
      while (word < end && (static_cast<unsigned char>(text.bytes()[word]) & 0xC0U) == 0x80)
        ++word;
      pieces.push_back(make_text(runtime, text.slice(word, end)));
      end = word - trailing_space(std::string_view(text.bytes()).substr(0, word));
      --max;
    }
    if (begin < end) pieces.push_back(make_text(runtime, text.slice(0, end)));
    std::reverse(pieces.begin(), pieces.end());
    return pieces;
  }
  const std::string_view bytes = text.bytes();
  end = std::max(begin, end);
  while (begin < end) {
    if (max == 0) {
      pieces.push_back(make_text(runtime, text.slice(begin, text.size())));
      break;
    }
    std::size_t word = begin;
    while (word < end) {
      const tokenizer::Utf8Step step = tokenizer::decode_utf8(bytes, word);
      if (is_space(step.code_point)) break;
      word += step.length;
    }
    pieces.push_back(make_text(runtime, text.slice(begin, word)));
    begin = word + leading_space(bytes.substr(word));
    --max;
  }
  return pieces;
}

std::vector<Value> split_by(Runtime& runtime, const Text& text, const Text& separator, std::int64_t max,
                            bool from_right) {
  if (separator.empty()) fail("split: empty separator");
  const std::string_view bytes = text.bytes();
  std::vector<Value> pieces;
  std::size_t begin = 0;
  std::size_t end = text.size();
  for (; max != 0; --max) {
    const std::size_t at = from_right ? find_last(runtime, bytes.substr(0, end), separator.bytes())
                                      : find_first(runtime, bytes, separator.bytes(), begin);
    if (at == std::string_view::npos) break;
    if (from_right) {
      pieces.push_back(make_text(runtime, text.slice(at + separator.size(), end)));
      end = at;
    } else {
      pieces.push_back(make_text(runtime, text.slice(begin, at)));
      begin = at + separator.size();
    }
  }
  pieces.push_back(make_text(runtime, text.slice(begin, end)));
  if (from_right) std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

template <bool kFromRight>
Value split_method(Runtime& runtime, const Text& text, const Arguments& arguments) {
  const Bound values = bind(arguments, "split", {"sep", "maxsplit"});
  const std::int64_t max = values[1] ? as_integer(*values[1], "split") : -1;
  runtime.spend_bytes(text.size());
  return make_list(runtime, is_none(values[0])
                                ? split_words(runtime, text, max, kFromRight)
                                : split_by(runtime, text, as_text(*values[0], "split"), max, kFromRight));
}

// The part of a text between two optional positions in code points, as startswith() and find() take them.
struct Window {
  std::size_t begin, end;  // bytes
  bool valid;
};
Window window(const Text& text, const std::optional<Value>& begin, const std::optional<Value>& end) {
  const auto size = static_cast<std::int64_t>(text.length());
  const auto place = [&](const std::optional<Value>& value, std::int64_t otherwise) {
    if (is_none(value)) return otherwise;
    const std::int64_t given = as_integer(*value, "position");
    return std::max<std::int64_t>(given < 0 ? given + size : given, 0);
  };
  const std::int64_t from = place(begin, 0);
  const std::int64_t to = std::min(place(end, size), size);
  return {text.offset_of(static_cast<std::size_t>(std::min(from, size))), text.offset_of(static_cast<std::size_t>(to)),
          from <= to};
}

template <bool kAtEnd>
Value starts_method(Runtime& runtime, const Text& text, const Arguments& arguments) {
  const Bound values = bind(arguments, kAtEnd ? "endswith" : "startswith", {"prefix", "start", "end"}, 1);
  const Window part = window(text, values[1], values[2]);
  runtime.spend_bytes(text.is_ascii() ? 0 : text.size());
  const auto matches = [&](const Value& wanted) {
    const std::string& affix = as_text(wanted, kAtEnd ? "endswith" : "startswith").bytes();
    runtime.spend_bytes(affix.size());
    const std::string_view bytes =
        std::string_view(text.bytes()).substr(part.begin, std::max(part.end, part.begin) - part.begin);
    return part.valid && (kAtEnd ? bytes.ends_with(affix) : bytes.starts_with(affix));
  };
  const auto* choices = values[0]->items();
  return choices == nullptr ? matches(*values[0]) : std::any_of(choices->begin(), choices->end(), matches);
}

// find, rfind, index, rindex: a position in code points.
template <bool kFromRight, bool kMustExist>
Value find_method_of(Runtime& runtime, const Text& text, const Arguments& arguments) {
  const Bound values = bind(arguments, "find", {"sub", "start", "end"}, 1);
  const Window part = window(text, values[1], values[2]);
  runtime.spend_bytes(text.size());
  const std::string& sought = as_text(*values[0], "find").bytes();
  if (part.valid) {
    const std::string_view bytes = std::string_view(text.bytes()).substr(part.begin, part.end - part.begin);
    const std::size_t at = kFromRight ? find_last(runtime, bytes, sought) : find_first(runtime, bytes, sought);
    if (at != std::string_view::npos) return count_value(text.slice(0, part.begin + at).length());
  }
  if (kMustExist) fail("index: substring not found");
  return std::int64_t{-1};
}

Value count_method(Runtime& runtime, const Text& text, const Arguments& arguments) {
  const Bound values = bind(arguments, "count", {"sub"}, 1);
  const std::string& sought = as_text(*values[0], "count").bytes();
  runtime.spend_bytes(text.size());
  if (sought.empty()) return count_value(text.length() + 1);
  std::size_t count = 0;
  for (std::size_t at = 0; (at = find_first(runtime, text.bytes(), sought, at)) != std::string::npos;) {
    ++count;
    at += sought.size();
  }
  return count_value(count);
}

Value replace_method(Runtime& runtime, const Text& text, const Arguments& arguments) {
  const Bound values = bind(arguments, "replace", {"old", "new", "count"}, 2);
  return replace(runtime, text, as_text(*values[0], "replace"), as_text(*values[1], "replace"),
                 values[2] ? as_integer(*values[2], "replace") : -1);
}

template <std::string (*kChange)(std::string_view)>
Value change_method(Runtime& runtime, const Text& text, const Arguments& arguments) {
  static_cast<void>(bind(arguments, "upper or lower", {}));
  return make_text(runtime, map_stretches(text, kChange));
}

std::string swap_case(std::string_view text) {
  std::string out;
  for_each_character(text,
                     [&](char32_t c, std::string_view) { is_upper(c) ? append_lower(out, c) : append_upper(out, c); });
  return out;
}

Value title_method(Runtime& runtime, const Text& text, const Arguments& arguments) {
  static_cast<void>(bind(arguments, "title", {}));
  bool in_word = false;  // carried from stretch to stretch
  return make_text(runtime, map_stretches(text, [&](std::string_view stretch) {
                     std::string out;
                     for_each_character(stretch, [&](char32_t c, std::string_view) {
                       in_word ? append_lower(out, c) : append_title(out, c);
                       in_word = is_cased(c);
                     });
                     return out;
                   }));
}

Value capitalize_method(Runtime& runtime, const Text& text, const Arguments& arguments) {
  static_cast<void>(bind(arguments, "capitalize", {}));
  return make_text(runtime, capitalize(text));
}

Value split_lines_method(Runtime& runtime, const Text& text, const Arguments& arguments) {
  const Bound values = bind(arguments, "splitlines", {"keepends"});
  return split_lines(runtime, text, values[0] && truth(*values[0]));
}

Value join_method(Runtime& runtime, const Text& text, const Arguments& arguments) {
  const Bound values = bind(arguments, "join", {"iterable"}, 1);
  require_defined(*values[0]);
  TextBuilder out(runtime);
  bool first = true;
  for (const Value& item : iterate(runtime, *values[0])) {
    if (!first) out.append(text);
    first = false;
    out.append(as_text(item, "join"));
  }
  return out.value();
}

template <bool kAtEnd>
Value remove_affix(Runtime& runtime, const Text& text, const Arguments& arguments) {
  const Bound values = bind(arguments, "removeprefix", {"affix"}, 1);
  const std::string& affix = as_text(*values[0], "removeprefix").bytes();
  runtime.spend_bytes(affix.size());
  if (kAtEnd ? !text.bytes().ends_with(affix) : !text.bytes().starts_with(affix)) return make_text(runtime, text);
  return make_text(runtime, kAtEnd ? text.slice(0, text.size() - affix.size()) : text.slice(affix.size(), text.size()));
}

template <bool kFromRight>
Value partition_method(Runtime& runtime, const Text& text, const Arguments& arguments) {
  const Bound values = bind(arguments, "partition", {"sep"}, 1);
  const Text& separator = as_text(*values[0], "partition");
  if (separator.empty()) fail("partition: empty separator");
  runtime.spend_bytes(text.size());
  const std::size_t at = kFromRight ? find_last(runtime, text.bytes(), separator.bytes())
                                    : find_first(runtime, text.bytes(), separator.bytes());
  const Value nothing = make_text(runtime, Text());
  const Value all = make_text(runtime, text);
  if (at == std::string::npos) {
    return make_list(runtime,
                     kFromRight ? std::vector<Value>{nothing, nothing, all} : std::vector<Value>{all, nothing, nothing},
                     ListKind::kTuple);
  }
  return make_list(runtime,
                   {make_text(runtime, text.slice(0, at)), make_text(runtime, text.slice(at, at + separator.size())),
                    make_text(runtime, text.slice(at + separator.size(), text.size()))},
                   ListKind::kTuple);
}

// isdigit and its like: every character is one, and there is at least one.
template <bool (*kIs)(char32_t)>
Value all_method(Runtime& runtime, const Text& text, const Arguments& arguments) {
  static_cast<void>(bind(arguments, "a test of characters", {}));
  runtime.spend_bytes(text.size());
  bool all = !text.empty();
  for_each_character(text.bytes(), [&](char32_t c, std::string_view) { all = all && kIs(c); });
  return all;
}

// isupper, islower: all cased characters are, and there is at least one.
template <bool kUpper>
Value case_method(Runtime& runtime, const Text& text, const Arguments& arguments) {
  static_cast<void>(bind(arguments, "a test of case", {}));
  runtime.spend_bytes(text.size());
  bool any = false;
  bool all = true;
  for_each_character(text.bytes(), [&](char32_t c, std::string_view) {
    if (!is_cased(c)) return;
    any = true;
    all = all && (kUpper ? is_upper(c) : is_lower(c));
  });
  return any && all;
}

bool is_alphanumeric(char32_t c) {
  return is_alpha(c) || is_digit(c);
}

Value format_method(Runtime& runtime, const Text& text, const Arguments& arguments) {
  return brace_format(runtime, text, arguments);
}

enum class Padding : std::uint8_t { kLeft, kRight, kZeros };
template <Padding kPadding>
Value pad_method(Runtime& runtime, const Text& text, const Arguments& arguments) {
  const Bound values = bind(arguments, "padding", {"width", "fillchar"}, 1);
  const std::int64_t width = as_integer(*values[0], "width");
  const Text fill = values[1] ? as_text(*values[1], "fill") : Text(kPadding == Padding::kZeros ? "0" : " ");
  if (fill.length() != 1) fail("padding: expected one character to fill with");
  const auto length = static_cast<std::int64_t>(text.length());
  const bool is_signed =
      kPadding == Padding::kZeros && (text.bytes().starts_with('-') || text.bytes().starts_with('+'));
  TextBuilder out(runtime);
  const std::size_t sign = is_signed ? 1 : 0;
  out.append(text, 0, kPadding == Padding::kRight ? text.size() : sign);
  for (std::int64_t i = length; i < width; ++i)
    out.append(fill);
  if (kPadding != Padding::kRight) out.append(text, sign, text.size());
  return out.value();
}

Value center_method(Runtime& runtime, const Text& text, const Arguments& arguments) {
  const Bound values = bind(arguments, "center", {"width", "fillchar"}, 1);
  return center(runtime, text, as_integer(*values[0], "center"), values[1] ? as_text(*values[1], "center") : Text(" "));
}

const std::map<std::string_view, Method>& methods() {
  static const std::map<std::string_view, Method> table = {
      {"strip", strip_method<Side::kBoth>},
      {"lstrip", strip_method<Side::kLeft>},
      {"rstrip", strip_method<Side::kRight>},
      {"split", split_method<false>},
      {"rsplit", split_method<true>},
      {"splitlines", split_lines_method},
      {"startswith", starts_method<false>},
      {"endswith", starts_method<true>},
      {"find", find_method_of<false, false>},
      {"rfind", find_method_of<true, false>},
      {"index", find_method_of<false, true>},
      {"rindex", find_method_of<true, true>},
      {"count", count_method},
      {"replace", replace_method},
      {"upper", change_method<to_upper>},
      {"lower", change_method<to_lower>},
      {"casefold", change_method<to_lower>},
      {"swapcase", change_method<swap_case>},
      {"title", title_method},
      {"capitalize", capitalize_method},
      {"join", join_method},
      {"removeprefix", remove_affix<false>},
      {"removesuffix", remove_affix<true>},
      {"partition", partition_method<false>},
      {"rpartition", partition_method<true>},
      {"isdigit", all_method<is_digit>},
      {"isdecimal", all_method<is_digit>},
      {"isnumeric", all_method<is_digit>},
      {"isalpha", all_method<is_alpha>},
      {"isalnum", all_method<is_alphanumeric>},
      {"isspace", all_method<is_space>},
      {"isupper", case_method<true>},
      {"islower", case_method<false>},
      {"format", format_method},
      {"zfill", pad_method<Padding::kZeros>},
      {"rjust", pad_method<Padding::kLeft>},
      {"ljust", pad_method<Padding::kRight>},
      {"center", center_method},
  };
  return table;
}

}  // namespace

Native find_text_method(const TextRef& text, std::string_view name) {
  const auto found = methods().find(name);
  if (found == methods().end()) return nullptr;
  return [text, method = found->second](Runtime& runtime, const Arguments& arguments) {
    return method(runtime, text->text, arguments);
  };
}

Text strip(Runtime& runtime, const Text& text, const Text* characters, Side side) {
  const std::string_view bytes = text.bytes();
  runtime.spend_bytes(bytes.size());
  std::size_t begin = 0;
  std::size_t end = bytes.size();
  if (characters == nullptr) {
    if (side != Side::kRight) begin = leading_space(bytes);
    if (side != Side::kLeft) end = bytes.size() - trailing_space(bytes);
    return text.slice(begin, std::max(begin, end));
  }
  const auto among = [&](std::string_view character) {
    runtime.spend_bytes(characters->size());
    return characters->bytes().find(character) != std::string::npos;
  };
  while (side != Side::kRight && begin < end) {
    const std::size_t length = tokenizer::decode_utf8(bytes, begin).length;
    if (!among(bytes.substr(begin, length))) break;
    begin += length;
  }
  while (side != Side::kLeft && end > begin) {
    std::size_t last = end - 1;
    while ((static_cast<unsigned char>(bytes[last]) & 0xC0U) == 0x80)
      --last;
    if (!among(bytes.substr(last, end - last))) break;
    end = last;
  }
  return text.slice(begin, end);
}

Value replace(Runtime& runtime, const Text& text, const Text& old, const Text& by, std::int64_t count) {
  TextBuilder out(runtime);
  const std::string_view bytes = text.bytes();
  runtime.spend_bytes(bytes.size());
  std::size_t done = 0;
  if (old.empty()) {  // between all characters, before and after
    for (std::size_t at = 0; count != 0; --count) {
      out.append(by);
      if (at >= bytes.size()) break;
      const std::size_t length = tokenizer::decode_utf8(bytes, at).length;
      out.append(text, at, at + length);
      at += length;
      done = at;
    }
  } else {
    for (; count != 0; --count) {
      const std::size_t at = find_first(runtime, bytes, old.bytes(), done);
      if (at == std::string_view::npos) break;
      out.append(text, done, at);
      out.append(by);
      done = at + old.size();
    }
  }
  out.append(text, done, bytes.size());
  return out.value();
}

Value split_lines(Runtime& runtime, const Text& text, bool keep_ends) {
  const std::string_view bytes = text.bytes();
  runtime.spend_bytes(bytes.size());
  std::vector<Value> lines;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const tokenizer::Utf8Step step = tokenizer::decode_utf8(bytes, at);
    const char32_t c = step.code_point;
    std::size_t end = at + step.length;
    const bool is_end = (c >= '\n' && c <= '\r') || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
    if (is_end) {
      if (c == '\r' && end < bytes.size() && bytes[end] == '\n') ++end;
      lines.push_back(make_text(runtime, text.slice(begin, keep_ends ? end : at)));
      begin = end;
    }
    at = end;
  }
  if (begin < bytes.size()) lines.push_back(make_text(runtime, text.slice(begin, bytes.size())));
  return make_list(runtime, std::move(lines));
}

Text capitalize(const Text& text) {
  bool first = true;
  return map_stretches(text, [&](std::string_view stretch) {
    std::string out;
    for_each_character(stretch, [&](char32_t c, std::string_view) {
      first ? append_title(out, c) : append_lower(out, c);
      first = false;
    });
    return out;
  });
}

Value center(Runtime& runtime, const Text& text, std::int64_t width, const Text& fill) {
  if (fill.length() != 1) fail("center: expected one character to fill with");
  const auto length = static_cast<std::int64_t>(text.length());
  const std::int64_t padding = std::max<std::int64_t>(width - length, 0);
  const std::int64_t left = padding / 2 + (padding & width & 1);
  TextBuilder out(runtime);
  for (std::int64_t i = 0; i < left; ++i)
    out.append(fill);
  out.append(text);
  for (std::int64_t i = left; i < padding; ++i)
    out.append(fill);
  return out.value();
}

}  // namespace llorch::chat
