// jinja2's filters and tests by name.
#pragma once

#include <optional>
#include <string_view>

#include "chat/value.hpp"

namespace llorch::chat {

using Filter = Value (*)(Runtime& runtime, const Value& subject, const Arguments& arguments);
using Test = bool (*)(Runtime& runtime, const Value& subject, const Arguments& arguments);

/// Null when there is none of that name.
[[nodiscard]] Filter find_text_filter(std::string_view name);
[[nodiscard]] Filter find_sequence_filter(std::string_view name);
[[nodiscard]] Test find_test(std::string_view name);

/// `subject | name(arguments)`; an unknown name is a Failure.
[[nodiscard]] Value run_filter(Runtime& runtime, std::string_view name, const Value& subject,
                               const Arguments& arguments);
/// `subject is name(arguments)`.
[[nodiscard]] bool run_test(Runtime& runtime, std::string_view name, const Value& subject, const Arguments& arguments);

}  // namespace llorch::chat
