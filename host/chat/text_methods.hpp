// str's methods, and the operations on text that filters share with them. Where a result is made of pieces of its
// receiver, foreign bytes stay foreign, byte by byte.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "chat/objects.hpp"

namespace llorch::chat {

/// The method of that name bound to `text`; null when there is none.
[[nodiscard]] Native find_text_method(const TextRef& text, std::string_view name);

enum class Side : std::uint8_t { kLeft, kRight, kBoth };
/// Without `characters`: white space.
[[nodiscard]] Text strip(Runtime& runtime, const Text& text, const Text* characters, Side side);
/// At most `count` occurrences, all if negative.
[[nodiscard]] Value replace(Runtime& runtime, const Text& text, const Text& old, const Text& by, std::int64_t count);
[[nodiscard]] Value split_lines(Runtime& runtime, const Text& text, bool keep_ends);
[[nodiscard]] Text capitalize(const Text& text);
[[nodiscard]] Value center(Runtime& runtime, const Text& text, std::int64_t width, const Text& fill);

}  // namespace llorch::chat
