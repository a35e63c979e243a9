// The wire format of Protocol Buffers, as much of it as reading a few known fields takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace llorch::tokenizer {

/// Walks over the fields of one message, in order. Makes no copies and follows no nesting: what is nested is a field of
/// bytes for another reader. Every length is checked against what is left. Not thread-safe.
class ProtobufReader {
 public:
  /// `origin` and `path` (the message's place, "" for the root) are for messages.
  ProtobufReader(std::string_view bytes, std::string origin, std::string path)
      : bytes_(bytes), origin_(std::move(origin)), path_(std::move(path)) {}

  /// One field. `number` for varints and fixed sizes, `bytes` for strings and messages.
  struct Field {
    std::uint32_t id = 0;
    bool has_bytes = false;
    std::uint64_t number = 0;
    std::string_view bytes;
  };

  /// The next field, or nothing at the end. Broken varints, groups and lengths beyond the end are errors that name the
  /// offset.
  [[nodiscard]] Result<std::optional<Field>> next();

  /// The field's value as text, number, flag or float; an error when its wire type does not fit.
  [[nodiscard]] Result<std::string_view> text(const Field& field) const;
  [[nodiscard]] Result<std::int64_t> integer(const Field& field) const;
  [[nodiscard]] Result<bool> boolean(const Field& field) const;
  [[nodiscard]] Result<float> fixed_float(const Field& field) const;

 private:
  [[nodiscard]] Result<std::uint64_t> varint();
  [[nodiscard]] Result<std::uint64_t> fixed(std::size_t size);
  [[nodiscard]] Error error(std::string_view expected, std::string_view found) const;

  std::string_view bytes_;
  std::size_t at_ = 0;
  std::string origin_;
  std::string path_;
};

}  // namespace llorch::tokenizer
