// Metadata values as text and as JSON, long arrays shortened.
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "model_file/metadata.hpp"

namespace llorch::tools {

/// One line: numbers as they are, strings quoted, arrays with their length and their first elements.
[[nodiscard]] std::string metadata_text(const model_file::Value& value);

/// Scalars as JSON scalars (numbers that are not finite as strings), arrays as {"type", "count", "first": [...]}. Bytes
/// that are not UTF-8 become U+FFFD.
[[nodiscard]] boost::json::value metadata_json(const model_file::Value& value);

/// The same for a single text.
[[nodiscard]] boost::json::value text_json(std::string_view text);

}  // namespace llorch::tools
