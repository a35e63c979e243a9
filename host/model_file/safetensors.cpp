#include "model_file/safetensors.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstring>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/json.hpp"
#include "base/text.hpp"
#include "model_file/ggml_type.hpp"

namespace llorch::model_file {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's limit
constexpr std::size_t kMaxValues = 400'000;             // about 50,000 tensors; keeps the parsed header under 64 MiB

struct Dtype {
  std::string_view name;
  std::uint32_t n_bytes;
  std::uint32_t ggml_type;
};

constexpr std::array kDtypes = {
    Dtype{"F64", 8, kGgmlF64},        Dtype{"F32", 4, kGgmlF32},        Dtype{"F16", 2, kGgmlF16},
    Dtype{"BF16", 2, kGgmlBf16},      Dtype{"I64", 8, kGgmlI64},        Dtype{"I32", 4, kGgmlI32},
    Dtype{"I16", 2, kGgmlI16},        Dtype{"I8", 1, kGgmlI8},          Dtype{"U64", 8, kNoGgmlType},
    Dtype{"U32", 4, kNoGgmlType},     Dtype{"U16", 2, kNoGgmlType},     Dtype{"U8", 1, kNoGgmlType},
    Dtype{"BOOL", 1, kNoGgmlType},    Dtype{"F8_E5M2", 1, kNoGgmlType}, Dtype{"F8_E4M3", 1, kNoGgmlType},
    Dtype{"F8_E8M0", 1, kNoGgmlType},
};

/// Reads one tensor's entry. Remembers where it is, so that each message names the file and the tensor.
class EntryReader {
 public:
  EntryReader(const std::string& origin, std::string_view name, std::uint64_t data_size)
      : origin_(origin), name_(name), data_size_(data_size) {}

  /// `offset` of the result counts from the start of the data.
  Result<StoredTensor> read(const json::value& entry) {
    const json::object* object = entry.if_object();
    if (object == nullptr) return bad("expected an object with dtype, shape and data_offsets");
    for (const auto& member : *object) {
      if (member.key() != "dtype" && member.key() != "shape" && member.key() != "data_offsets")
        return bad(fmt::format("unknown key {}", quote(member.key())));
    }
    StoredTensor tensor;
    tensor.name = name_;
    const auto dtype = read_dtype(*object);
    if (!dtype) return dtype.error();
    tensor.type_name = dtype->name;
    tensor.ggml_type = dtype->ggml_type;
    const auto elements = read_shape(*object, tensor.dims);
    if (!elements) return elements.error();
    const auto nbytes = checked_multiply(*elements, dtype->n_bytes);
    if (!nbytes) return bad(fmt::format("shape {} has more bytes than 64 bits can count", shape_text(tensor.dims)));
    tensor.nbytes = *nbytes;
    if (auto range = read_range(*object, tensor); !range) return range.error();
    return tensor;
  }

 private:
  [[nodiscard]] Error bad(std::string_view what) const {
    return make_error(ErrorCode::kBadModel, fmt::format("{}: tensor {}: {}", origin_, quote(name_), what));
  }

  [[nodiscard]] Result<Dtype> read_dtype(const json::object& object) const {
    const json::value* value = object.if_contains("dtype");
    if (value == nullptr || !value->is_string()) return bad("dtype: expected a string");
    const std::string_view name = value->get_string();
    const auto* found = std::find_if(kDtypes.begin(), kDtypes.end(), [&](const Dtype& d) { return d.name == name; });
    if (found == kDtypes.end()) return bad(fmt::format("dtype {} is not known", quote(name)));
    return *found;
  }

  /// Fills `dims`; the number of elements.
  [[nodiscard]] Result<std::uint64_t> read_shape(const json::object& object, std::vector<std::uint64_t>& dims) const {
    const json::value* value = object.if_contains("shape");
    const json::array* shape = value == nullptr ? nullptr : value->if_array();
    if (shape == nullptr) return bad("shape: expected an array of integers");
    if (shape->size() > kMaxDims)
      return bad(fmt::format("shape: at most {} dimensions expected, found {}", kMaxDims, shape->size()));
    std::uint64_t elements = 1;
    for (const json::value& dim : *shape) {
      const auto number = to_u64(dim);
      if (!number) return bad("shape: expected integers of 0 or more");
      dims.push_back(*number);
      const auto product = checked_multiply(elements, *number);
      if (!product) return bad(fmt::format("shape {} has more elements than 64 bits can count", shape_text(dims)));
      elements = *product;
    }
    return elements;
  }

  [[nodiscard]] Result<void> read_range(const json::object& object, StoredTensor& tensor) const {
    const json::value* value = object.if_contains("data_offsets");
    const json::array* range = value == nullptr ? nullptr : value->if_array();
    if (range == nullptr) return bad("data_offsets: expected an array of two integers");
    if (range->size() != 2)
      return bad(fmt::format("data_offsets: expected two integers, found {} entries", range->size()));
    const auto begin = to_u64((*range)[0]);
    const auto end = to_u64((*range)[1]);
    if (!begin || !end) return bad("data_offsets: expected two integers of 0 or more");
    if (*begin > *end) return bad(fmt::format("data_offsets: begin {} is behind end {}", *begin, *end));
    if (*end > data_size_)
      return bad(fmt::format("data_offsets: end {} is past the data, which has {} bytes", *end, data_size_));
    if (*end - *begin != tensor.nbytes) {
      return bad(fmt::format("shape {} of {} needs {} bytes, data_offsets give {}", shape_text(tensor.dims),
                             tensor.type_name, tensor.nbytes, *end - *begin));
    }
    tensor.offset = *begin;
    return {};
  }

  static std::optional<std::uint64_t> to_u64(const json::value& value) {
    if (value.is_uint64()) return value.get_uint64();
    if (value.is_int64() && value.get_int64() >= 0) return static_cast<std::uint64_t>(value.get_int64());
    return std::nullopt;
  }

  const std::string& origin_;
  std::string_view name_;
  std::uint64_t data_size_;
};

Result<void> check_metadata(const json::value& metadata, const std::string& origin) {
  const json::object* object = metadata.if_object();
  if (object == nullptr) {
    return make_error(ErrorCode::kBadModel, fmt::format("{}: __metadata__: expected an object of strings", origin));
  }
  for (const auto& member : *object) {
    if (!member.value().is_string()) {
      return make_error(ErrorCode::kBadModel,
                        fmt::format("{}: __metadata__: value of {}: expected a string", origin, quote(member.key())));
    }
  }
  return {};
}

/// Sorts by place and demands that the tensors tile the data.
Result<void> check_layout(std::vector<StoredTensor>& tensors, std::uint64_t data_size, const std::string& origin) {
  std::sort(tensors.begin(), tensors.end(), [](const StoredTensor& a, const StoredTensor& b) {
    return std::tie(a.offset, a.nbytes) < std::tie(b.offset, b.nbytes);
  });
  std::uint64_t end = 0;
  for (const StoredTensor& tensor : tensors) {
    if (tensor.offset != end) {
      return make_error(
          ErrorCode::kBadModel,
          fmt::format("{}: tensor {} begins at byte {} of the data, {} the tensor before it, which ends at {}", origin,
                      quote(tensor.name), tensor.offset, tensor.offset < end ? "inside" : "leaving a hole after", end));
    }
    end = tensor.offset + tensor.nbytes;
  }
  if (end != data_size) {
    return make_error(
        ErrorCode::kBadModel,
        fmt::format("{}: the tensors end at byte {} of the data, which has {} bytes", origin, end, data_size));
  }
  return {};
}

/// The header's text.
Result<std::string_view> read_header(ByteSource& bytes) {
  const std::string& origin = bytes.origin();
  const auto bad = [&](std::string what) {
    return make_error(ErrorCode::kBadModel, fmt::format("{}: not a safetensors file: {}", origin, what));
  };
  if (bytes.size() < kLengthBytes) return bad(fmt::format("at least 8 bytes expected, found {}", bytes.size()));
  const auto start = bytes.require(kLengthBytes);
  if (!start) return start.error();
  std::uint64_t length = 0;
  std::memcpy(&length, *start, sizeof(length));
  const std::uint64_t left = bytes.size() - kLengthBytes;
  if (length == 0) return bad("header length 0");
  if (length > kMaxHeaderBytes)
    return bad(fmt::format("header length {}: at most {} bytes are accepted", length, kMaxHeaderBytes));
  if (length > left) return bad(fmt::format("header length {}: the file has {} bytes after it", length, left));
  const auto all = bytes.require(kLengthBytes + length);
  if (!all) return all.error();
  return std::string_view(reinterpret_cast<const char*>(*all) + kLengthBytes, length);
}

}  // namespace

Result<std::vector<StoredTensor>> parse_safetensors(ByteSource& bytes) {
  const std::string& origin = bytes.origin();
  const auto header = read_header(bytes);
  if (!header) return header.error();
  JsonLimits limits;
  limits.max_depth = 4;  // header, entry, shape and one to say what is wrong
  limits.max_bytes = kMaxHeaderBytes;
  limits.max_values = kMaxValues;
  limits.max_string_bytes = std::size_t{8} << 20;
  const auto parsed = parse_json(*header, limits);
  if (!parsed)
    return make_error(ErrorCode::kBadModel, fmt::format("{}: safetensors header: {}", origin, parsed.error().message));
  const json::object* object = parsed->if_object();
  if (object == nullptr)
    return make_error(ErrorCode::kBadModel, fmt::format("{}: safetensors header: expected a JSON object", origin));

  const std::uint64_t data_start = kLengthBytes + header->size();
  const std::uint64_t data_size = bytes.size() - data_start;
  std::vector<StoredTensor> tensors;
  tensors.reserve(object->size());
  for (const auto& member : *object) {
    const std::string_view name = member.key();
    if (name == "__metadata__") {
      if (auto checked = check_metadata(member.value(), origin); !checked) return checked.error();
      continue;
    }
    auto tensor = EntryReader(origin, name, data_size).read(member.value());
    if (!tensor) return tensor.error();
    tensors.push_back(std::move(*tensor));
  }
  if (auto layout = check_layout(tensors, data_size, origin); !layout) return layout.error();
  for (StoredTensor& tensor : tensors) {
    tensor.offset += data_start;
  }
  return tensors;
}

}  // namespace llorch::model_file
