// Reading all of a stream, with its errors.
#pragma once

#include <istream>
#include <string>

#include "base/result.hpp"

namespace llorch::tools {

/// Everything that is left in `in`. kIo names `origin` when reading fails half-way (a directory, a broken disk): the
/// standard streams alone would take that for the end of the text.
[[nodiscard]] Result<std::string> read_all(std::istream& in, const std::string& origin);

}  // namespace llorch::tools
