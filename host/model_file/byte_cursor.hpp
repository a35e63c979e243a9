// Reads little-endian values one after the other from a ByteSource, never past its end.
#pragma once

#include <cstring>
#include <string_view>
#include <type_traits>

#include "base/result.hpp"
#include "model_file/byte_source.hpp"

namespace llorch::model_file {

/// `what` names the value in the error: "<file>: byte 24: key length: 8 bytes expected, 3 left".
class ByteCursor {
 public:
  explicit ByteCursor(ByteSource& bytes) : bytes_(bytes) {}

  [[nodiscard]] std::uint64_t position() const { return at_; }
  [[nodiscard]] std::uint64_t left() const { return bytes_.size() - at_; }
  [[nodiscard]] const std::string& origin() const { return bytes_.origin(); }

  /// Address of the next `n` bytes, which are skipped. Valid as long as the source.
  [[nodiscard]] Result<const std::byte*> take(std::uint64_t n, std::string_view what);

  template <class T>
  [[nodiscard]] Result<T> read(std::string_view what) {
    static_assert(std::is_arithmetic_v<T>);
    const auto bytes = take(sizeof(T), what);
    if (!bytes) return bytes.error();
    T value;
    std::memcpy(&value, *bytes, sizeof(T));
    return value;
  }

  /// A 64-bit length and as many bytes.
  [[nodiscard]] Result<std::string_view> read_string(std::string_view what);

  /// An error at the current position.
  [[nodiscard]] Error bad(std::string_view what) const;

 private:
  ByteSource& bytes_;
  std::uint64_t at_ = 0;
};

}  // namespace llorch::model_file
