#include "model_file/gguf.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "base/text.hpp"
#include "model_file/byte_cursor.hpp"
#include "model_file/ggml_type.hpp"
#include "model_file/gguf_metadata.hpp"

namespace llorch::model_file {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr std::uint64_t kHeaderBytes = 24;
constexpr std::uint64_t kMaxTensors = 131'072;
constexpr std::uint64_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;
constexpr std::uint64_t kMaxNameBytes = 63;  // ggml keeps names in 64 bytes, with a NUL
constexpr std::uint32_t kMaxGgufDims = 4;
constexpr std::uint64_t kMaxDim = std::uint64_t{1} << 62;
constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::uint64_t kMaxAlignment = std::uint64_t{1} << 20;

struct Header {
  std::uint32_t version = 0;
  std::uint64_t tensors = 0, keys = 0;
};

Result<Header> read_header(ByteCursor& cursor) {
  if (cursor.left() < kHeaderBytes) {
    return cursor.bad(
        fmt::format("not a GGUF file: a header of {} bytes expected, the file has {}", kHeaderBytes, cursor.left()));
  }
  const auto magic = cursor.take(kMagic.size(), "magic");
  if (!magic) return magic.error();
  const std::string_view found(reinterpret_cast<const char*>(*magic), kMagic.size());
  if (found != kMagic)
    return cursor.bad(fmt::format("not a GGUF file: magic \"GGUF\" expected, found {}", quote(found)));
  const auto version = cursor.read<std::uint32_t>("version");
  if (!version) return version.error();
  if (*version < 2 || *version > 3) {
    const bool swapped = *version != 0 && (*version & 0xFFFF) == 0;
    return cursor.bad(swapped ? fmt::format("version {:#x}: big-endian GGUF files are not supported", *version)
                              : fmt::format("version 2 or 3 expected, found {}", *version));
  }
  const auto tensors = cursor.read<std::uint64_t>("tensor count");
  if (!tensors) return tensors.error();
  const auto keys = cursor.read<std::uint64_t>("key count");
  if (!keys) return keys.error();
  return Header{*version, *tensors, *keys};
}

Result<std::uint64_t> read_alignment(const Metadata& metadata, const std::string& origin) {
  const Value* value = metadata.find("general.alignment");
  if (value == nullptr) return kDefaultAlignment;
  const auto alignment = metadata.u64("general.alignment");
  if (!alignment) return alignment.error();
  if (*alignment < 8 || *alignment > kMaxAlignment || !std::has_single_bit(*alignment)) {
    return make_error(ErrorCode::kBadModel,
                      fmt::format("{}: key 'general.alignment': a power of two from 8 to {} expected, found {}", origin,
                                  kMaxAlignment, *alignment));
  }
  return *alignment;
}

/// Reads tensor descriptions. Offsets still count from the start of the data.
class TensorReader {
 public:
  TensorReader(ByteCursor& cursor, std::uint64_t alignment) : cursor_(cursor), alignment_(alignment) {}

  Result<StoredTensor> read(std::uint64_t number) {
    name_ = {};
    const std::string what = fmt::format("name of tensor number {}", number);
    const auto name = cursor_.read_string(what);
    if (!name) return name.error();
    if (name->empty() || name->size() > kMaxNameBytes)
      return cursor_.bad(fmt::format("{}: 1 to {} bytes expected, found {}", what, kMaxNameBytes, name->size()));
    if (!is_utf8(*name) || name->find('\0') != std::string_view::npos)
      return cursor_.bad(fmt::format("{}: UTF-8 without NUL expected, found {}", what, quote(*name)));
    name_ = *name;
    if (!names_.insert(*name).second) return bad("appears twice");

    StoredTensor tensor;
    tensor.name = *name;
    if (auto dims = read_dims(tensor); !dims) return dims.error();
    if (auto type = read_type(tensor); !type) return type.error();
    const auto offset = cursor_.read<std::uint64_t>("offset of a tensor");
    if (!offset) return offset.error();
    if (*offset % alignment_ != 0)
      return bad(fmt::format("offset {}: a multiple of the alignment {} expected", *offset, alignment_));
    tensor.offset = *offset;
    return tensor;
  }

 private:
  [[nodiscard]] Error bad(std::string_view what) const {
    return cursor_.bad(fmt::format("tensor {}: {}", quote(name_), what));
  }

  Result<void> read_dims(StoredTensor& tensor) {
    const auto n_dims = cursor_.read<std::uint32_t>("number of dimensions");
    if (!n_dims) return n_dims.error();
    if (*n_dims < 1 || *n_dims > kMaxGgufDims)
      return bad(fmt::format("1 to {} dimensions expected, found {}", kMaxGgufDims, *n_dims));
    std::uint64_t elements = 1;
    for (std::uint32_t i = 0; i < *n_dims; ++i) {
      const auto dim = cursor_.read<std::uint64_t>("dimension");
      if (!dim) return dim.error();
      if (*dim < 1 || *dim > kMaxDim)
        return bad(
            fmt::format("dimension {}: 1 to {} expected, found {}", i, kMaxDim, static_cast<std::int64_t>(*dim)));
      const auto product = checked_multiply(elements, *dim);
      if (!product) return bad("has more elements than 64 bits can count");
      elements = *product;
      tensor.dims.push_back(*dim);
    }
    std::reverse(tensor.dims.begin(), tensor.dims.end());  // the file lists the innermost first
    return {};
  }

  Result<void> read_type(StoredTensor& tensor) {
    const auto id = cursor_.read<std::uint32_t>("type of a tensor");
    if (!id) return id.error();
    const auto type = ggml_type_info(*id);
    if (!type) return bad(fmt::format("type {} is unknown or was removed from GGUF", static_cast<std::int32_t>(*id)));
    if (tensor.dims.back() % type->block != 0) {
      return bad(fmt::format("rows of {} elements: a multiple of {} expected for {}", tensor.dims.back(), type->block,
                             type->name));
    }
    const auto nbytes = tensor_bytes(*type, tensor.dims);
    if (!nbytes) return bad("has more bytes than 64 bits can count");
    tensor.ggml_type = *id;
    tensor.type_name = type->name;
    tensor.nbytes = *nbytes;
    return {};
  }

  ByteCursor& cursor_;
  std::uint64_t alignment_;
  std::string_view name_;
  std::unordered_set<std::string_view> names_;
};

/// Makes offsets absolute; every range must lie in the file and be its tensor's alone.
Result<void> place_tensors(std::vector<StoredTensor>& tensors, const ByteCursor& cursor, std::uint64_t alignment,
                           std::uint64_t file_size) {
  const std::string& origin = cursor.origin();
  const std::uint64_t data_start = (cursor.position() + alignment - 1) / alignment * alignment;
  const std::uint64_t data_size = file_size > data_start ? file_size - data_start : 0;
  for (StoredTensor& tensor : tensors) {
    if (tensor.offset > data_size || tensor.nbytes > data_size - tensor.offset) {
      return make_error(
          ErrorCode::kBadModel,
          fmt::format("{}: tensor {}: {} bytes from {} on are past the end of the data, which has {} bytes", origin,
                      quote(tensor.name), tensor.nbytes, tensor.offset, data_size));
    }
    tensor.offset += data_start;
  }
  std::vector<const StoredTensor*> order;
  order.reserve(tensors.size());
  for (const StoredTensor& tensor : tensors) {
    order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->offset < b->offset; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const StoredTensor& before = *order[i - 1];
    if (before.offset + before.nbytes > order[i]->offset) {
      return make_error(ErrorCode::kBadModel, fmt::format("{}: tensors {} and {} overlap", origin, quote(before.name),
                                                          quote(order[i]->name)));
    }
  }
  return {};
}

}  // namespace

Result<GgufContents> parse_gguf(ByteSource& bytes) {
  ByteCursor cursor(bytes);
  const auto header = read_header(cursor);
  if (!header) return header.error();
  if (header->tensors > cursor.left() / kMinTensorBytes)
    return cursor.bad(fmt::format("{} tensors announced, {} bytes left", header->tensors, cursor.left()));
  if (header->tensors > kMaxTensors)
    return cursor.bad(fmt::format("at most {} tensors expected, found {}", kMaxTensors, header->tensors));

  GgufContents contents;
  contents.version = header->version;
  auto metadata = read_gguf_metadata(cursor, header->keys);
  if (!metadata) return metadata.error();
  contents.metadata = std::move(*metadata);
  const auto alignment = read_alignment(contents.metadata, bytes.origin());
  if (!alignment) return alignment.error();
  TensorReader reader(cursor, *alignment);
  for (std::uint64_t i = 0; i < header->tensors; ++i) {
    auto tensor = reader.read(i);
    if (!tensor) return tensor.error();
    contents.tensors.push_back(std::move(*tensor));
  }
  if (auto placed = place_tensors(contents.tensors, cursor, *alignment, bytes.size()); !placed) return placed.error();
  return contents;
}

}  // namespace llorch::model_file
