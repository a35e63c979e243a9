#include "tokenizer/protobuf_reader.hpp"

#include <spdlog/fmt/fmt.h>

#include <bit>

namespace llorch::tokenizer {
namespace {

enum WireType : std::uint8_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

}  // namespace

Error ProtobufReader::error(std::string_view expected, std::string_view found) const {
  return make_error(ErrorCode::kBadModel,
                    fmt::format("{}: {}offset {}: expected {}, found {}", origin_,
                                path_.empty() ? std::string() : fmt::format("{}: ", path_), at_, expected, found));
}

Result<std::uint64_t> ProtobufReader::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (at_ == bytes_.size()) return error("a varint", "the end");
    const auto byte = static_cast<std::uint8_t>(bytes_[at_++]);
    value |= std::uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return value;
  }
  return error("a varint of at most ten bytes", "a longer one");
}

Result<std::uint64_t> ProtobufReader::fixed(std::size_t size) {
  if (bytes_.size() - at_ < size) return error(fmt::format("{} bytes", size), std::to_string(bytes_.size() - at_));
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i)
    value |= std::uint64_t{static_cast<std::uint8_t>(bytes_[at_ + i])} << (8 * i);
  at_ += size;
  return value;
}

Result<std::optional<ProtobufReader::Field>> ProtobufReader::next() {
  if (at_ == bytes_.size()) return std::optional<Field>();
  auto tag = varint();
  if (!tag) return tag.error();
  constexpr std::uint64_t kMaxField = (1u << 29) - 1;
  Field field;
  if (*tag >> 3 == 0 || *tag >> 3 > kMaxField) return error("a field's number", std::to_string(*tag >> 3));
  field.id = static_cast<std::uint32_t>(*tag >> 3);
  const auto store = [&](Result<std::uint64_t> value) -> Result<std::optional<Field>> {
    if (!value) return value.error();
    field.number = *value;
    return std::optional<Field>(field);
  };
  switch (*tag & 7) {
    case kVarint:
      return store(varint());
    case kFixed64:
      return store(fixed(8));
    case kFixed32:
      return store(fixed(4));
    case kLengthDelimited: {
      auto length = varint();
      if (!length) return length.error();
      if (*length > bytes_.size() - at_) {
        return error(fmt::format("a length of at most {}", bytes_.size() - at_), std::to_string(*length));
      }
      field.has_bytes = true;
      field.bytes = bytes_.substr(at_, static_cast<std::size_t>(*length));
      at_ += static_cast<std::size_t>(*length);
      return std::optional<Field>(field);
    }
    default:
      return error("a wire type of 0, 1, 2 or 5", std::to_string(*tag & 7));
  }
}

Result<std::string_view> ProtobufReader::text(const Field& field) const {
  if (field.has_bytes) return field.bytes;
  return error(fmt::format("bytes in field {}", field.id), "a number");
}

Result<std::int64_t> ProtobufReader::integer(const Field& field) const {
  if (!field.has_bytes) return static_cast<std::int64_t>(field.number);
  return error(fmt::format("a number in field {}", field.id), "bytes");
}

Result<bool> ProtobufReader::boolean(const Field& field) const {
  if (!field.has_bytes) return field.number != 0;
  return error(fmt::format("a flag in field {}", field.id), "bytes");
}

Result<float> ProtobufReader::fixed_float(const Field& field) const {
  if (!field.has_bytes && field.number <= 0xFFFFFFFFu) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(field.number));
  }
  return error(fmt::format("a float in field {}", field.id), "something else");
}

}  // namespace llorch::tokenizer
