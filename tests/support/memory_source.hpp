// A model source made in memory, for tests of the ABI that need no file.
#pragma once

#include <llorch/llorch_plugin.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace llorch::testing {

/// Tensors (f32, or bytes of another type) and metadata; source() lives as long as this object.
class MemorySource {
 public:
  MemorySource() {
    source_.struct_size = sizeof source_;
    source_.impl = this;
    source_.tensor_at = &tensor_at;
    source_.tensor_find = &tensor_find;
    source_.tensor_read = &tensor_read;
    source_.meta_get = &meta_get;
  }
  MemorySource(const MemorySource&) = delete;
  MemorySource& operator=(const MemorySource&) = delete;

  void add_tensor(std::string name, std::vector<std::uint64_t> dims, std::vector<float> values) {
    std::vector<unsigned char> bytes(values.size() * sizeof(float));
    if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
    add_tensor(std::move(name), std::move(dims), LLORCH_DTYPE_F32, std::move(bytes));
  }
  void add_tensor(std::string name, std::vector<std::uint64_t> dims, std::uint32_t dtype,
                  std::vector<unsigned char> bytes) {
    tensors_.push_back({std::move(name), std::move(dims), dtype, std::move(bytes)});
    source_.n_tensors = tensors_.size();
  }
  void set(const std::string& key, std::uint64_t value) { numbers_[key] = value; }
  void set(const std::string& key, std::string value) { texts_[key] = std::move(value); }
  void erase(const std::string& key) {
    numbers_.erase(key);
    texts_.erase(key);
  }
  [[nodiscard]] const llorch_source& source() const { return source_; }

  /// token_embd.weight (vocab, dim) of small whole numbers, so that sums are exact, and a context length.
  static void make_tiny(MemorySource& out, std::uint32_t vocab, std::uint32_t dim, std::uint32_t context_length) {
    std::vector<float> values(std::size_t{vocab} * dim);
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>((i * 7 + i / dim * 3) % 11) - 5.0F;
    out.add_tensor("token_embd.weight", {vocab, dim}, std::move(values));
    out.set("general.architecture", std::string("tiny"));
    out.set("tiny.context_length", context_length);
  }

 private:
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> dims;
    std::uint32_t dtype;
    std::vector<unsigned char> bytes;
  };
  static const MemorySource& self(const llorch_source* source) { return *static_cast<MemorySource*>(source->impl); }

  static llorch_status tensor_at(const llorch_source* source, std::uint64_t index, llorch_tensor* out) {
    const auto& tensors = self(source).tensors_;
    if (index >= tensors.size()) return LLORCH_INVALID_ARGUMENT;
    const Tensor& tensor = tensors[index];
    llorch_tensor answer{};
    answer.struct_size = out->struct_size;
    answer.dtype = tensor.dtype;
    answer.name = {tensor.name.data(), tensor.name.size()};
    answer.n_dims = static_cast<std::uint32_t>(tensor.dims.size());
    answer.index = static_cast<std::uint32_t>(index);
    std::copy(tensor.dims.begin(), tensor.dims.end(), answer.dims);
    answer.nbytes = tensor.bytes.size();
    std::memcpy(out, &answer, std::min<std::size_t>(out->struct_size, sizeof answer));
    return LLORCH_OK;
  }
  static llorch_status tensor_find(const llorch_source* source, llorch_str name, llorch_tensor* out) {
    const auto& tensors = self(source).tensors_;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].name == std::string_view(name.data, name.size)) return tensor_at(source, i, out);
    }
    return LLORCH_NOT_FOUND;
  }
  static llorch_status tensor_read(const llorch_source* source, std::uint64_t index, std::uint64_t offset, void* dst,
                                   std::uint64_t n) {
    const auto& tensors = self(source).tensors_;
    if (index >= tensors.size()) return LLORCH_INVALID_ARGUMENT;
    const std::uint64_t size = tensors[index].bytes.size();
    if (offset > size || n > size - offset) return LLORCH_INVALID_ARGUMENT;
    std::memcpy(dst, tensors[index].bytes.data() + offset, n);
    return LLORCH_OK;
  }
  static llorch_status meta_get(const llorch_source* source, llorch_str key, llorch_value* out) {
    const std::string name(key.data, key.size);
    llorch_value answer{};
    answer.struct_size = out->struct_size;
    if (const auto number = self(source).numbers_.find(name); number != self(source).numbers_.end()) {
      answer.type = LLORCH_VALUE_U64;
      answer.u.u64 = number->second;
    } else if (const auto text = self(source).texts_.find(name); text != self(source).texts_.end()) {
      answer.type = LLORCH_VALUE_STR;
      answer.u.str = {text->second.data(), text->second.size()};
    } else {
      return LLORCH_NOT_FOUND;
    }
    std::memcpy(out, &answer, std::min<std::size_t>(out->struct_size, sizeof answer));
    return LLORCH_OK;
  }

  llorch_source source_{};
  std::vector<Tensor> tensors_;
  std::map<std::string, std::uint64_t> numbers_;
  std::map<std::string, std::string> texts_;
};

}  // namespace llorch::testing
