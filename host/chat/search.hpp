// One text in another, in time that grows with their sizes and not with the product of them: the texts, and how often
// they are searched, are a stranger's choice.
#pragma once

#include <cstddef>
#include <string_view>

#include "chat/runtime.hpp"

namespace llorch::chat {

/// Where `sought` first begins in `text` at or after `from` (at most the size of `text`); npos: nowhere. Costs the
/// runtime a step for every few bytes that were passed over, so that searching all that is in memory again and again
/// ends soon.
[[nodiscard]] std::size_t find_first(Runtime& runtime, std::string_view text, std::string_view sought,
                                     std::size_t from = 0);
/// Where `sought` last begins in `text`; npos: nowhere. Costs as find_first does.
[[nodiscard]] std::size_t find_last(Runtime& runtime, std::string_view text, std::string_view sought);

}  // namespace llorch::chat
