#include "model_file/byte_cursor.hpp"

#include <spdlog/fmt/fmt.h>

#include <bit>

namespace llorch::model_file {

static_assert(std::endian::native == std::endian::little, "model files are little-endian and are read as they are");

Error ByteCursor::bad(std::string_view what) const {
  return make_error(ErrorCode::kBadModel, fmt::format("{}: byte {}: {}", origin(), at_, what));
}

Result<const std::byte*> ByteCursor::take(std::uint64_t n, std::string_view what) {
  if (n > left()) return bad(fmt::format("{}: {} bytes expected, {} left", what, n, left()));
  const auto base = bytes_.require(at_ + n);
  if (!base) return base.error();
  const std::byte* address = *base + at_;
  at_ += n;
  return address;
}

Result<std::string_view> ByteCursor::read_string(std::string_view what) {
  const auto length = read<std::uint64_t>(what);
  if (!length) return length.error();
  const auto bytes = take(*length, what);
  if (!bytes) return bytes.error();
  return std::string_view(reinterpret_cast<const char*>(*bytes), *length);
}

}  // namespace llorch::model_file
