#include "model_file/source_adapter.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <string_view>
#include <variant>

namespace llorch::model_file {
namespace {

constexpr std::uint32_t kDtypeBase = 0x100;  // llorch_tensor.dtype = 0x100 + ggml type

llorch_str to_str(std::string_view text) {
  return {text.data(), text.size()};
}

/// Copies as much of `value` as the caller's version of the struct holds, and leaves its struct_size alone.
template <class T>
llorch_status give(const T& value, T* out) {
  const std::uint32_t size = out->struct_size;
  std::memcpy(out, &value, std::min<std::size_t>(size, sizeof(T)));
  out->struct_size = size;
  return LLORCH_OK;
}

/// Nothing thrown may cross the ABI.
template <class F>
llorch_status guarded(F&& body) noexcept {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return LLORCH_OUT_OF_MEMORY;
  } catch (...) {
    return LLORCH_INTERNAL;
  }
}

SourceAdapter* self(const llorch_source* source) {
  return static_cast<SourceAdapter*>(source->impl);
}

}  // namespace

SourceAdapter::SourceAdapter(const LoadedModel& model) : model_(model) {
  source_.struct_size = sizeof(llorch_source);
  source_.impl = this;
  source_.n_tensors = model.tensors().size();
  source_.tensor_at = &SourceAdapter::tensor_at;
  source_.tensor_find = &SourceAdapter::tensor_find;
  source_.tensor_read = &SourceAdapter::tensor_read;
  source_.meta_get = &SourceAdapter::meta_get;
}

llorch_status SourceAdapter::tensor_at(const llorch_source* source, std::uint64_t index, llorch_tensor* out) noexcept {
  if (source == nullptr || out == nullptr || !LLORCH_HAS(out, llorch_tensor, nbytes)) return LLORCH_INVALID_ARGUMENT;
  return guarded([&]() -> llorch_status {
    if (index >= self(source)->model_.tensors().size()) return LLORCH_INVALID_ARGUMENT;
    return self(source)->describe(index, out);
  });
}

llorch_status SourceAdapter::tensor_find(const llorch_source* source, llorch_str name, llorch_tensor* out) noexcept {
  if (source == nullptr || out == nullptr || !LLORCH_HAS(out, llorch_tensor, nbytes)) return LLORCH_INVALID_ARGUMENT;
  return guarded([&]() -> llorch_status {
    const std::uint64_t index = self(source)->model_.find_tensor({name.data, name.size});
    if (index >= self(source)->model_.tensors().size()) return LLORCH_NOT_FOUND;
    return self(source)->describe(index, out);
  });
}

llorch_status SourceAdapter::tensor_read(const llorch_source* source, std::uint64_t index, std::uint64_t offset,
                                         void* dst, std::uint64_t n) noexcept {
  if (source == nullptr || (dst == nullptr && n > 0)) return LLORCH_INVALID_ARGUMENT;
  return guarded([&]() -> llorch_status {
    const auto read = self(source)->model_.read_tensor(index, offset, {static_cast<std::byte*>(dst), n});
    if (read) return LLORCH_OK;
    return read.error().code == ErrorCode::kInvalidArgument ? LLORCH_INVALID_ARGUMENT : LLORCH_DEVICE_ERROR;
  });
}

llorch_status SourceAdapter::meta_get(const llorch_source* source, llorch_str key, llorch_value* out) noexcept {
  if (source == nullptr || out == nullptr || !LLORCH_HAS(out, llorch_value, u)) return LLORCH_INVALID_ARGUMENT;
  return guarded([&]() -> llorch_status {
    const std::string name(key.data, key.size);
    const Value* value = self(source)->model_.metadata().find(name);
    return value == nullptr ? LLORCH_NOT_FOUND : self(source)->describe(name, *value, out);
  });
}

llorch_status SourceAdapter::describe(std::uint64_t index, llorch_tensor* out) const {
  const Tensor& tensor = model_.tensors()[index];
  llorch_tensor answer = {};
  answer.dtype = kDtypeBase + tensor.ggml_type;
  answer.name = to_str(tensor.name);
  answer.n_dims = static_cast<std::uint32_t>(tensor.dims.size());
  answer.index = static_cast<std::uint32_t>(index);
  std::copy(tensor.dims.begin(), tensor.dims.end(), answer.dims);
  answer.data = model_.mapped(index);
  answer.nbytes = tensor.nbytes;
  return give(answer, out);
}

llorch_status SourceAdapter::describe(const std::string& key, const Value& value, llorch_value* out) {
  llorch_value answer = {};
  if (const auto* b = std::get_if<bool>(&value)) {
    answer.type = LLORCH_VALUE_BOOL;
    answer.u.u64 = *b ? 1 : 0;
  } else if (const auto* i = std::get_if<std::int64_t>(&value)) {
    answer.type = LLORCH_VALUE_I64;
    answer.u.i64 = *i;
  } else if (const auto* u = std::get_if<std::uint64_t>(&value)) {
    answer.type = LLORCH_VALUE_U64;
    answer.u.u64 = *u;
  } else if (const auto* d = std::get_if<double>(&value)) {
    answer.type = LLORCH_VALUE_F64;
    answer.u.f64 = *d;
  } else if (const auto* s = std::get_if<std::string_view>(&value)) {
    answer.type = LLORCH_VALUE_STR;
    answer.u.str = to_str(*s);
  } else {
    const Array& array = std::get<Array>(value);
    if (array.type == ElementType::kArray) return LLORCH_UNSUPPORTED;
    answer.type = LLORCH_VALUE_ARRAY;
    answer.elem_type = static_cast<std::uint32_t>(array.type);
    answer.u.array.count = array.count;
    answer.u.array.data = array.type == ElementType::kString ? static_cast<const void*>(string_array(key, array))
                                                             : static_cast<const void*>(array.data);
  }
  return give(answer, out);
}

const llorch_str* SourceAdapter::string_array(const std::string& key, const Array& array) {
  const std::lock_guard lock(mutex_);
  const auto it = string_arrays_.find(key);
  if (it != string_arrays_.end()) return it->second.data();
  std::vector<llorch_str> strings;
  strings.reserve(array.strings->size());
  std::transform(array.strings->begin(), array.strings->end(), std::back_inserter(strings), to_str);
  return string_arrays_.emplace(key, std::move(strings)).first->second.data();
}

}  // namespace llorch::model_file
