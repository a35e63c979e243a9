// Tokens to a tree, with the grammar of jinja2.
#pragma once

#include <string_view>

#include "chat/ast.hpp"

namespace llorch::chat {

/// Throws Failure with the line, what was expected and what was found. `source` must be valid UTF-8.
[[nodiscard]] Body parse_template(std::string_view source);

}  // namespace llorch::chat
