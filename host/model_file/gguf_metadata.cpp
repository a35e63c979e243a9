#include "model_file/gguf_metadata.hpp"

#include <spdlog/fmt/fmt.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/text.hpp"

namespace llorch::model_file {
namespace {

constexpr std::uint64_t kMaxKeys = 65'536;
constexpr std::uint64_t kMaxStrings = std::uint64_t{1} << 21;
constexpr std::uint64_t kMaxKeyBytes = 65'535;  // the specification's limit
constexpr std::uint64_t kMinPairBytes = 8 + 1 + 4 + 1;
constexpr int kMaxArrayDepth = 4;

/// Bytes of a scalar; 0 for strings and arrays.
std::uint64_t scalar_bytes(ElementType type) {
  switch (type) {
    case ElementType::kU8:
    case ElementType::kI8:
    case ElementType::kBool:
      return 1;
    case ElementType::kU16:
    case ElementType::kI16:
      return 2;
    case ElementType::kU32:
    case ElementType::kI32:
    case ElementType::kF32:
      return 4;
    case ElementType::kU64:
    case ElementType::kI64:
    case ElementType::kF64:
      return 8;
    case ElementType::kString:
    case ElementType::kArray:
      return 0;
  }
  return 0;
}

class MetadataReader {
 public:
  explicit MetadataReader(ByteCursor& cursor) : cursor_(cursor) {}

  Result<Metadata> read(std::uint64_t count) {
    Metadata metadata(cursor_.origin());
    for (std::uint64_t i = 0; i < count; ++i) {
      auto key = read_key(i);
      if (!key) return key.error();
      key_ = *key;
      const auto type = read_type("value type");
      if (!type) return type.error();
      auto value = read_value(*type);
      if (!value) return value.error();
      if (!metadata.insert(std::move(*key), std::move(*value))) return bad("appears twice");
    }
    return metadata;
  }

 private:
  [[nodiscard]] Error bad(std::string_view what) const {
    return cursor_.bad(fmt::format("key {}: {}", quote(key_), what));
  }
  [[nodiscard]] std::string named(std::string_view what) const { return fmt::format("key {}: {}", quote(key_), what); }

  Result<std::string> read_key(std::uint64_t number) {
    const std::string what = fmt::format("name of key number {}", number);
    const auto key = cursor_.read_string(what);
    if (!key) return key.error();
    if (key->empty() || key->size() > kMaxKeyBytes)
      return cursor_.bad(fmt::format("{}: 1 to {} bytes expected, found {}", what, kMaxKeyBytes, key->size()));
    if (!is_utf8(*key)) return cursor_.bad(fmt::format("{}: UTF-8 expected, found {}", what, quote(*key)));
    if (key->find('\0') != std::string_view::npos)
      return cursor_.bad(fmt::format("{}: holds a NUL: {}", what, quote(*key)));
    return std::string(*key);
  }

  Result<ElementType> read_type(std::string_view what) {
    const auto type = cursor_.read<std::uint32_t>(what);
    if (!type) return type.error();
    if (*type > static_cast<std::uint32_t>(ElementType::kF64))
      return bad(fmt::format("{}: 0 to 12 expected, found {}", what, *type));
    return static_cast<ElementType>(*type);
  }

  template <class Stored, class Kept>
  Result<Value> read_scalar() {
    const auto value = cursor_.read<Stored>(key_);
    if (!value) return value.error();
    return Value(static_cast<Kept>(*value));
  }

  Result<Value> read_value(ElementType type) {
    switch (type) {
      case ElementType::kU8:
        return read_scalar<std::uint8_t, std::uint64_t>();
      case ElementType::kI8:
        return read_scalar<std::int8_t, std::int64_t>();
      case ElementType::kU16:
        return read_scalar<std::uint16_t, std::uint64_t>();
      case ElementType::kI16:
        return read_scalar<std::int16_t, std::int64_t>();
      case ElementType::kU32:
        return read_scalar<std::uint32_t, std::uint64_t>();
      case ElementType::kI32:
        return read_scalar<std::int32_t, std::int64_t>();
      case ElementType::kF32:
        return read_scalar<float, double>();
      case ElementType::kU64:
        return read_scalar<std::uint64_t, std::uint64_t>();
      case ElementType::kI64:
        return read_scalar<std::int64_t, std::int64_t>();
      case ElementType::kF64:
        return read_scalar<double, double>();
      case ElementType::kBool: {
        const auto value = cursor_.read<std::uint8_t>(key_);
        if (!value) return value.error();
        if (*value > 1) return bad(fmt::format("bool: 0 or 1 expected, found {}", *value));
        return Value(*value == 1);
      }
      case ElementType::kString: {
        const auto value = cursor_.read_string(named("string"));
        if (!value) return value.error();
        return Value(*value);
      }
      case ElementType::kArray: {
        auto array = read_array(1);
        if (!array) return array.error();
        return Value(std::move(*array));
      }
    }
    return bad("value type");
  }

  /// The recursion ends at kMaxArrayDepth; each element of an array of arrays takes at least 12 bytes of the file.
  Result<Array> read_array(int depth) {  // NOLINT(misc-no-recursion)
    if (depth > kMaxArrayDepth) return bad(fmt::format("arrays nested deeper than {} levels", kMaxArrayDepth));
    const auto type = read_type("array element type");
    if (!type) return type.error();
    const auto count = cursor_.read<std::uint64_t>(named("array length"));
    if (!count) return count.error();
    Array array;
    array.type = *type;
    array.count = *count;
    const std::uint64_t size = scalar_bytes(*type);
    const std::uint64_t least = size > 0 ? size : (*type == ElementType::kString ? 8 : 12);
    if (*count > cursor_.left() / least)
      return bad(
          fmt::format("array of {} elements needs at least {} bytes each, {} left", *count, least, cursor_.left()));
    if (size > 0) {
      const auto data = cursor_.take(*count * size, key_);
      if (!data) return data.error();
      array.data = *data;
    } else if (*type == ElementType::kString) {
      if (auto strings = read_strings(array); !strings) return strings.error();
    } else {
      for (std::uint64_t i = 0; i < *count; ++i) {
        if (auto inner = read_array(depth + 1); !inner) return inner.error();
      }
    }
    return array;
  }

  Result<void> read_strings(Array& array) {
    if (array.count > kMaxStrings - strings_) return bad(fmt::format("more than {} strings in arrays", kMaxStrings));
    strings_ += array.count;
    auto strings = std::make_shared<std::vector<std::string_view>>();
    strings->reserve(array.count);
    const std::string what = named("string in array");
    for (std::uint64_t i = 0; i < array.count; ++i) {
      const auto text = cursor_.read_string(what);
      if (!text) return text.error();
      strings->push_back(*text);
    }
    array.strings = std::move(strings);
    return {};
  }

  ByteCursor& cursor_;
  std::string key_;            ///< the key being read
  std::uint64_t strings_ = 0;  ///< in arrays so far
};

}  // namespace

Result<Metadata> read_gguf_metadata(ByteCursor& cursor, std::uint64_t count) {
  if (count > cursor.left() / kMinPairBytes)
    return cursor.bad(fmt::format("{} keys announced, {} bytes left", count, cursor.left()));
  if (count > kMaxKeys) return cursor.bad(fmt::format("at most {} keys expected, found {}", kMaxKeys, count));
  return MetadataReader(cursor).read(count);
}

}  // namespace llorch::model_file
