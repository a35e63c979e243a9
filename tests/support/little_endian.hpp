// Numbers as little-endian bytes, for building files in tests.
#pragma once

#include <cstring>
#include <string>

namespace llorch::testing {

template <class T>
[[nodiscard]] std::string le(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

}  // namespace llorch::testing
