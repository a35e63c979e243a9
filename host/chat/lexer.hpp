// A template's source to tokens, with jinja2's white space rules under trim_blocks and lstrip_blocks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace llorch::chat {

enum class TokenKind : std::uint8_t {
  kData,           ///< text outside of tags
  kBlockBegin,     ///< {%
  kBlockEnd,       ///< %}
  kVariableBegin,  ///< {{
  kVariableEnd,    ///< }}
  kName,
  kString,  ///< escapes resolved
  kInteger,
  kFloat,
  kOperator,
  kEnd
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::uint32_t line = 1;
  std::string text;  ///< of data, names, strings and operators
  std::int64_t integer = 0;
  double number = 0;

  [[nodiscard]] bool is(std::string_view op) const { return kind == TokenKind::kOperator && text == op; }
  [[nodiscard]] bool is_name(std::string_view name) const { return kind == TokenKind::kName && text == name; }
  /// For messages: "name 'x'", "end of block", ...
  [[nodiscard]] std::string describe() const;
};

/// The last token is kEnd. Throws Failure with the line. `source` must be valid UTF-8.
[[nodiscard]] std::vector<Token> tokenize(std::string_view source);

}  // namespace llorch::chat
