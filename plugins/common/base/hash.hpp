// A fast checksum against damage, not against malice.
#pragma once

#include <cstdint>
#include <cstring>

namespace llorch::common {

inline constexpr std::uint64_t kHashStart = 0xcbf29ce484222325u;

/// Folds n bytes into the hash, eight at a time. Each step is a bijection of the state, so one changed word always
/// shows. Splitting the data differently gives another hash unless the parts are multiples of eight bytes.
inline std::uint64_t hash_bytes(std::uint64_t hash, const void* data, std::uint64_t n) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  while (n > 0) {
    const std::uint64_t step = n < 8 ? n : 8;
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, step);
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 29;
    bytes += step;
    n -= step;
  }
  return hash;
}

}  // namespace llorch::common
