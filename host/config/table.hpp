// The rows behind options(): where each value lives and which values it may have. Internal to this room.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"

namespace llorch::config {

enum class Kind : std::uint8_t {
  kText,
  kPath,        ///< relative to the file's directory when it comes from a file
  kPluginPath,  ///< the same, but only if it holds a slash; otherwise a plugin's name
  kInteger,
  kChoice
};

struct Row {
  Option option;
  Kind kind = Kind::kText;
  std::variant<std::string Config::*, std::uint16_t Config::*, std::uint32_t Config::*, std::uint64_t Config::*> member;
  std::uint64_t min = 0, max = 0;    ///< of an integer
  bool zero_too = false;             ///< 0 is allowed below `min`, with a meaning of its own
  std::vector<std::string> choices;  ///< of a choice
  /// A further rule for text: empty when `value` is fine, otherwise what was expected.
  std::string (*rule)(const std::string& value) = nullptr;
};

[[nodiscard]] const std::vector<Row>& rows();
[[nodiscard]] const Row* find_row(std::string_view key);

/// Checks `text` or `number` against the row and stores it. The error's message is without origin:
/// `expected an integer 0..65535, found "x"`.
[[nodiscard]] Result<void> assign_text(const Row& row, const std::string& text, Config* config);
[[nodiscard]] Result<void> assign_integer(const Row& row, std::uint64_t number, Config* config);

/// What the row wants, for messages: "an integer 0..65535", "one of trace, debug, ...", "text".
[[nodiscard]] std::string expectation(const Row& row);
/// The value as text, without quotes.
[[nodiscard]] std::string value_text(const Row& row, const Config& config);

}  // namespace llorch::config
