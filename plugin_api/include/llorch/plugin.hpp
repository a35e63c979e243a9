// The C++ layer for plugin authors: failures as exceptions inside, statuses at the edge. Header-only, no dependency.
// plugin_table.hpp builds the ABI's function table on top of it.
#pragma once

#include <llorch/llorch_plugin.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <new>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace llorch::abi {

// ---- text ----------------------------------------------------------------------------------------------------------

[[nodiscard]] inline std::string_view view(llorch_str text) {
  return text.data == nullptr ? std::string_view{} : std::string_view(text.data, static_cast<std::size_t>(text.size));
}
[[nodiscard]] inline llorch_str to_str(std::string_view text) {
  return {text.data(), text.size()};
}

/// Copies as much as fits and terminates it, never cutting a UTF-8 character in two.
inline void put_text(char* out, std::size_t capacity, std::string_view text) noexcept {
  if (capacity == 0) return;
  std::size_t n = std::min(text.size(), capacity - 1);
  if (n < text.size()) {
    while (n > 0 && (static_cast<unsigned char>(text[n]) & 0xC0U) == 0x80U)
      --n;
  }
  std::memcpy(out, text.data(), n);
  out[n] = '\0';
}
template <std::size_t kSize>
void put_text(char (&out)[kSize], std::string_view text) noexcept {
  put_text(out, kSize, text);
}

/// "(12, 768)": a shape in messages.
[[nodiscard]] inline std::string shape_text(std::span<const std::uint64_t> dims) {
  std::string out = "(";
  for (std::size_t i = 0; i < dims.size(); ++i)
    out += (i == 0 ? "" : ", ") + std::to_string(dims[i]);
  return out + ")";
}
[[nodiscard]] inline std::string dtype_text(std::uint32_t dtype) {
  switch (dtype) {
    case LLORCH_DTYPE_F32:
      return "f32";
    case LLORCH_DTYPE_F16:
      return "f16";
    case LLORCH_DTYPE_BF16:
      return "bf16";
    default:
      return "type " + std::to_string(dtype >= 0x100 ? dtype - 0x100 : dtype);
  }
}

// ---- failures ------------------------------------------------------------------------------------------------------

/// Thrown inside a plugin, turned into a status by guard().
class Failure : public std::exception {
 public:
  Failure(llorch_status status, std::string message) : status_(status), message_(std::move(message)) {}
  [[nodiscard]] llorch_status status() const noexcept { return status_; }
  [[nodiscard]] const char* what() const noexcept override { return message_.c_str(); }

 private:
  llorch_status status_;
  std::string message_;
};

/// Throws a Failure whose message is all `parts` behind each other. Say what was expected, what was found, and where.
template <class... Parts>
[[noreturn]] void fail(llorch_status status, const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw Failure(status, std::move(text).str());
}

/// Writes to the caller's buffer, within its struct_size; null is allowed. Returns `status`.
inline llorch_status write_error(llorch_error* error, llorch_status status, std::string_view message) noexcept {
  if (error == nullptr || !LLORCH_HAS(error, llorch_error, code)) return status;
  error->code = status;
  const std::size_t begin = offsetof(llorch_error, message);
  const std::size_t end = std::min<std::size_t>(error->struct_size, LLORCH_END(llorch_error, message));
  if (end > begin) put_text(error->message, end - begin, message);
  return status;
}

/// Runs `body`, which returns nothing or a llorch_status. Nothing that it throws goes further: a Failure becomes its
/// status, exhausted memory OUT_OF_MEMORY, anything else INTERNAL. Every function of the table begins with this.
template <class Body>
llorch_status guard(llorch_error* error, Body&& body) noexcept {
  try {
    if constexpr (std::is_void_v<decltype(body())>) {
      std::forward<Body>(body)();
      return LLORCH_OK;
    } else {
      return std::forward<Body>(body)();
    }
  } catch (const Failure& failure) {
    return write_error(error, failure.status(), failure.what());
  } catch (const std::bad_alloc&) {
    return write_error(error, LLORCH_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& unexpected) {
    return write_error(error, LLORCH_INTERNAL, unexpected.what());
  } catch (...) {
    return write_error(error, LLORCH_INTERNAL, "unknown exception");
  }
}

// ---- structs that grow ---------------------------------------------------------------------------------------------

/// A struct from the other side in our own version: what it did not have is zero, what we do not know is left out.
/// Refuses a null pointer and a size that does not even reach the end of `required_end`.
template <class T>
[[nodiscard]] T accept(const T* in, std::size_t required_end = sizeof(std::uint32_t)) {
  if (in == nullptr) fail(LLORCH_INVALID_ARGUMENT, "a required struct is NULL");
  if (in->struct_size < required_end) {
    fail(LLORCH_INVALID_ARGUMENT, "struct_size ", in->struct_size, ": at least ", required_end, " expected");
  }
  T out{};
  std::memcpy(&out, in, std::min<std::size_t>(in->struct_size, sizeof(T)));
  out.struct_size = sizeof(T);
  return out;
}

/// Gives `value` to the other side: never more bytes than its struct_size, which stays as it is.
template <class T>
void give(T* out, const T& value) {
  if (out == nullptr) fail(LLORCH_INVALID_ARGUMENT, "the struct for the answer is NULL");
  const std::uint32_t size = out->struct_size;
  if (size < sizeof size) fail(LLORCH_INVALID_ARGUMENT, "struct_size ", size, " of the struct for the answer");
  std::memcpy(out, &value, std::min<std::size_t>(size, sizeof(T)));
  out->struct_size = size;
}

// ---- the host's services -------------------------------------------------------------------------------------------

/// llorch_host_api with C++ manners; cheap to copy. [any-thread]
class Host {
 public:
  Host() = default;
  explicit Host(const llorch_host_api* api) : api_(api) {}

  void log(std::int32_t level, std::string_view message) const {
    if (has_log()) api_->log(api_->host, level, to_str(message));
  }
  /// Empty when the option is not set.
  [[nodiscard]] std::optional<std::string> option(const char* key) const {
    if (api_ == nullptr || !LLORCH_HAS(api_, llorch_host_api, get_option) || api_->get_option == nullptr) return {};
    llorch_str value{};
    const llorch_status status = api_->get_option(api_->host, key, &value);
    if (status == LLORCH_NOT_FOUND) return {};
    if (status != LLORCH_OK) fail(status, "option ", key, ": the host cannot tell");
    return std::string(view(value));
  }
  [[nodiscard]] bool is_cancelled(const llorch_context* context) const {
    return api_ != nullptr && LLORCH_HAS(api_, llorch_host_api, is_cancelled) && api_->is_cancelled != nullptr &&
           api_->is_cancelled(api_->host, context) != 0;
  }

 private:
  [[nodiscard]] bool has_log() const {
    return api_ != nullptr && LLORCH_HAS(api_, llorch_host_api, log) && api_->log != nullptr;
  }
  const llorch_host_api* api_ = nullptr;
};

// ---- the model source ----------------------------------------------------------------------------------------------

/// llorch_source with typed, checked access. Borrowed like the source itself. [any-thread]
class Source {
 public:
  explicit Source(const llorch_source* source) : source_(source) {
    if (source == nullptr || !LLORCH_HAS(source, llorch_source, meta_get)) {
      fail(LLORCH_INVALID_ARGUMENT, "the model source is NULL or older than ABI version 1");
    }
  }

  [[nodiscard]] std::uint64_t n_tensors() const { return source_->n_tensors; }

  /// Empty when there is none of that name.
  [[nodiscard]] std::optional<llorch_tensor> find(std::string_view name) const {
    llorch_tensor tensor{};
    tensor.struct_size = sizeof tensor;
    const llorch_status status = source_->tensor_find(source_, to_str(name), &tensor);
    if (status == LLORCH_NOT_FOUND) return {};
    if (status != LLORCH_OK) fail(status, "tensor ", name, ": the host cannot give it");
    return tensor;
  }

  /// The tensor of that name, with exactly these dims (outermost first) and one of these dtypes; any, if none is given.
  [[nodiscard]] llorch_tensor tensor(std::string_view name, std::initializer_list<std::uint64_t> dims,
                                     std::initializer_list<std::uint32_t> dtypes = {LLORCH_DTYPE_F32, LLORCH_DTYPE_F16,
                                                                                    LLORCH_DTYPE_BF16}) const {
    const std::string expected = shape_text(std::span(dims.begin(), dims.size()));
    const auto found = find(name);
    if (!found) fail(LLORCH_BAD_MODEL, "tensor ", name, ": missing, expected ", expected);
    if (found->n_dims > std::size(found->dims) ||
        !std::equal(dims.begin(), dims.end(), found->dims, found->dims + found->n_dims)) {
      const auto n = std::min<std::size_t>(found->n_dims, std::size(found->dims));
      fail(LLORCH_BAD_MODEL, "tensor ", name, ": expected ", expected, ", found ",
           shape_text(std::span(found->dims, n)));
    }
    if (dtypes.size() != 0 && std::find(dtypes.begin(), dtypes.end(), found->dtype) == dtypes.end()) {
      std::string allowed;
      for (const std::uint32_t dtype : dtypes)
        allowed += (allowed.empty() ? "" : ", ") + dtype_text(dtype);
      fail(LLORCH_UNSUPPORTED, "tensor ", name, ": expected one of ", allowed, ", found ", dtype_text(found->dtype));
    }
    return *found;
  }

  /// Copies `n` bytes from byte `offset` on.
  void read(const llorch_tensor& tensor, std::uint64_t offset, void* out, std::uint64_t n) const {
    const llorch_status status = source_->tensor_read(source_, tensor.index, offset, out, n);
    if (status != LLORCH_OK) fail(status, "tensor ", view(tensor.name), ": cannot read ", n, " bytes at ", offset);
  }

  /// The value of an optional key; one of another type is BAD_MODEL, not "absent".
  [[nodiscard]] std::optional<std::uint64_t> optional_u64(std::string_view key) const {
    const auto value = get(key);
    if (!value) return {};
    if (value->type == LLORCH_VALUE_U64 || value->type == LLORCH_VALUE_BOOL) return value->u.u64;
    if (value->type == LLORCH_VALUE_I64 && value->u.i64 >= 0) return static_cast<std::uint64_t>(value->u.i64);
    fail(LLORCH_BAD_MODEL, key, ": expected a number from 0 on, found ", describe(*value));
  }
  [[nodiscard]] std::optional<double> optional_f64(std::string_view key) const {
    const auto value = get(key);
    if (!value) return {};
    if (value->type == LLORCH_VALUE_F64) return value->u.f64;
    if (value->type == LLORCH_VALUE_U64) return static_cast<double>(value->u.u64);
    if (value->type == LLORCH_VALUE_I64) return static_cast<double>(value->u.i64);
    fail(LLORCH_BAD_MODEL, key, ": expected a number, found ", describe(*value));
  }
  [[nodiscard]] std::optional<std::string> optional_string(std::string_view key) const {
    const auto value = get(key);
    if (!value) return {};
    if (value->type == LLORCH_VALUE_STR) return std::string(view(value->u.str));
    fail(LLORCH_BAD_MODEL, key, ": expected a string, found ", describe(*value));
  }
  [[nodiscard]] std::uint64_t u64(std::string_view key) const { return required(key, optional_u64(key)); }
  [[nodiscard]] double f64(std::string_view key) const { return required(key, optional_f64(key)); }
  [[nodiscard]] std::string string(std::string_view key) const { return required(key, optional_string(key)); }

  /// A u64 within [low, high].
  [[nodiscard]] std::uint32_t u32_within(std::string_view key, std::uint32_t low, std::uint32_t high) const {
    const std::uint64_t value = u64(key);
    if (value < low || value > high) {
      fail(LLORCH_BAD_MODEL, key, ": expected ", low, " to ", high, ", found ", value);
    }
    return static_cast<std::uint32_t>(value);
  }

 private:
  [[nodiscard]] std::optional<llorch_value> get(std::string_view key) const {
    llorch_value value{};
    value.struct_size = sizeof value;
    const llorch_status status = source_->meta_get(source_, to_str(key), &value);
    if (status == LLORCH_NOT_FOUND) return {};
    if (status != LLORCH_OK) fail(status, key, ": the host cannot give it");
    return value;
  }
  template <class T>
  static T required(std::string_view key, std::optional<T> value) {
    if (!value) fail(LLORCH_BAD_MODEL, key, ": missing");
    return *std::move(value);
  }
  static std::string describe(const llorch_value& value) {
    switch (value.type) {
      case LLORCH_VALUE_BOOL:
        return "a bool";
      case LLORCH_VALUE_I64:
        return std::to_string(value.u.i64);
      case LLORCH_VALUE_U64:
        return std::to_string(value.u.u64);
      case LLORCH_VALUE_F64:
        return std::to_string(value.u.f64);
      case LLORCH_VALUE_STR:
        return "a string";
      case LLORCH_VALUE_ARRAY:
        return "an array";
      default:
        return "a value of unknown type " + std::to_string(value.type);
    }
  }

  const llorch_source* source_;
};

// ---- half precision ------------------------------------------------------------------------------------------------

/// IEEE 754 binary16 and bfloat16 to binary32, exact.
[[nodiscard]] inline float f16_to_f32(std::uint16_t half) noexcept {
  const std::uint32_t sign = (half & 0x8000U) << 16U;
  const std::uint32_t exponent = (half >> 10U) & 0x1FU;
  const std::uint32_t mantissa = half & 0x3FFU;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t wide = exponent == 0x1FU ? 0xFFU : exponent + 112U;
  return std::bit_cast<float>(sign | (wide << 23U) | (mantissa << 13U));
}
[[nodiscard]] inline float bf16_to_f32(std::uint16_t half) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(half) << 16U);
}

/// All elements of an f32, f16 or bf16 tensor.
[[nodiscard]] inline std::vector<float> read_f32(const Source& source, const llorch_tensor& tensor) {
  std::vector<float> out;
  if (tensor.dtype == LLORCH_DTYPE_F32) {
    out.resize(tensor.nbytes / sizeof(float));
    source.read(tensor, 0, out.data(), tensor.nbytes);
    return out;
  }
  if (tensor.dtype != LLORCH_DTYPE_F16 && tensor.dtype != LLORCH_DTYPE_BF16) {
    fail(LLORCH_UNSUPPORTED, "tensor ", view(tensor.name), ": expected f32, f16 or bf16, found ",
         dtype_text(tensor.dtype));
  }
  std::vector<std::uint16_t> halves(tensor.nbytes / sizeof(std::uint16_t));
  source.read(tensor, 0, halves.data(), tensor.nbytes);
  out.resize(halves.size());
  std::transform(halves.begin(), halves.end(), out.begin(),
                 tensor.dtype == LLORCH_DTYPE_F16 ? f16_to_f32 : bf16_to_f32);
  return out;
}

// ---- streams -------------------------------------------------------------------------------------------------------

/// Writes all `n` bytes, however few the host takes at a time.
inline void write_all(const llorch_writer& writer, const void* data, std::uint64_t n) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  for (std::uint64_t done = 0; done < n;) {
    const std::int64_t wrote = writer.write(writer.impl, bytes + done, n - done);
    if (wrote <= 0 || static_cast<std::uint64_t>(wrote) > n - done) {
      fail(LLORCH_DEVICE_ERROR, "the writer took ", done, " of ", n, " bytes and then ",
           wrote == 0 ? "ended" : "failed");
    }
    done += static_cast<std::uint64_t>(wrote);
  }
}

/// Reads all `n` bytes. A stream that ends before is BAD_STATE, one that fails DEVICE_ERROR.
inline void read_all(const llorch_reader& reader, void* out, std::uint64_t n) {
  auto* bytes = static_cast<unsigned char*>(out);
  for (std::uint64_t done = 0; done < n;) {
    const std::int64_t got = reader.read(reader.impl, bytes + done, n - done);
    if (got == 0) fail(LLORCH_BAD_STATE, "the saved state ends after ", done, " of ", n, " bytes");
    if (got < 0 || static_cast<std::uint64_t>(got) > n - done) {
      fail(LLORCH_DEVICE_ERROR, "the reader failed after ", done, " of ", n, " bytes");
    }
    done += static_cast<std::uint64_t>(got);
  }
}

}  // namespace llorch::abi
