#include "model_file/loaded_model.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "model_file/ggml_type.hpp"
#include "model_file/rotary_read.hpp"
#include "model_file/source_adapter.hpp"
#include "model_file/transposed_read.hpp"

namespace llorch::model_file {

LoadedModel::LoadedModel(Parts parts) : parts_(std::move(parts)) {
  index_.reserve(parts_.tensors.size());
  for (std::uint64_t i = 0; i < parts_.tensors.size(); ++i) {
    index_.emplace(parts_.tensors[i].name, i);
  }
  source_ = std::make_unique<SourceAdapter>(*this);
}

LoadedModel::~LoadedModel() = default;

std::uint64_t LoadedModel::bytes_on_disk() const {
  std::uint64_t total = 0;
  for (const auto& file : parts_.files) {
    total += file->size();
  }
  return total;
}

Result<void> LoadedModel::read_tensor(std::uint64_t index, std::uint64_t offset, std::span<std::byte> out) const {
  if (index >= parts_.tensors.size()) {
    return make_error(ErrorCode::kInvalidArgument, fmt::format("{}: tensor number {} asked for, there are {}",
                                                               parts_.path.native(), index, parts_.tensors.size()));
  }
  const Tensor& tensor = parts_.tensors[index];
  if (offset > tensor.nbytes || out.size() > tensor.nbytes - offset) {
    return make_error(ErrorCode::kInvalidArgument,
                      fmt::format("{}: tensor {}: {} bytes from {} asked for, it has {}", parts_.path.native(),
                                  tensor.name, out.size(), offset, tensor.nbytes));
  }
  const Location& location = parts_.locations[index];
  if (location.memory != nullptr) {
    std::copy_n(location.memory + offset, out.size(), out.begin());
    return {};
  }
  const File& file = *parts_.files[location.file];
  switch (location.arrangement) {
    case Arrangement::kCanonical:
      break;
    case Arrangement::kTransposed:
      return read_transposed(
          {&file, location.offset, tensor.dims[0], tensor.dims[1], ggml_type_info(tensor.ggml_type)->n_bytes}, offset,
          out);
    case Arrangement::kRotaryHalves:
      return read_rotary_pairs({&file, location.offset, tensor.nbytes / tensor.dims[0], location.head_rows}, offset,
                               out);
  }
  return file.read(location.offset + offset, out);
}

const llorch_source& LoadedModel::source() const {
  return source_->source();
}

const std::byte* LoadedModel::mapped(std::uint64_t index) const {
  const Location& location = parts_.locations[index];
  if (location.memory != nullptr) return location.memory;
  const std::byte* base = parts_.files[location.file]->mapping();
  if (location.arrangement != Arrangement::kCanonical || base == nullptr) return nullptr;
  // Mappings begin at a page, so the offset decides. Blocks of quantized types hold f16 scales at most.
  const auto type = ggml_type_info(parts_.tensors[index].ggml_type);
  const std::uint64_t alignment = type->block == 1 ? type->n_bytes : 4;
  return location.offset % alignment == 0 ? base + location.offset : nullptr;
}

std::uint64_t LoadedModel::find_tensor(std::string_view name) const {
  const auto it = index_.find(name);
  return it == index_.end() ? parts_.tensors.size() : it->second;
}

}  // namespace llorch::model_file
