// Data made by others that some tests check against. It is not part of the project and may be absent.
#pragma once

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "support/skip.hpp"

namespace llorch::testing {

/// $LLORCH_REAL_DATA, else ../shared/real beside the source directory.
inline std::filesystem::path real_data_directory() {
  if (const char* given = std::getenv("LLORCH_REAL_DATA")) return given;
  return std::filesystem::path(LLORCH_SOURCE_DIR) / ".." / "shared" / "real";
}

/// The file, or an empty path after a message that names what is skipped for want of it.
inline std::filesystem::path real_data(std::string_view file) {
  std::filesystem::path path = real_data_directory() / file;
  if (std::filesystem::exists(path)) return path;
  skip_this_case(path.string() + " is absent (LLORCH_REAL_DATA names the directory)");
  return {};
}

}  // namespace llorch::testing
