// Host memory for weights, caches and activations: aligned, in huge pages where that pays, and an error with the byte
// count where there is none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace llorch::common {

/// Owns zero-filled pages, aligned to 64 bytes at least and to 2 MiB from 2 MiB on. Pages cost nothing until touched.
class Buffer {
 public:
  Buffer() = default;
  /// `what` names the use in the message of the OUT_OF_MEMORY failure.
  Buffer(std::uint64_t bytes, const char* what);
  ~Buffer();
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] void* data() const { return data_; }
  template <class T>
  [[nodiscard]] T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(base_, other.base_);
    std::swap(mapped_, other.mapped_);
  }
  void* data_ = nullptr;
  std::uint64_t bytes_ = 0;
  void* base_ = nullptr;      // of the mapping, before alignment
  std::uint64_t mapped_ = 0;  // bytes of the mapping
};

}  // namespace llorch::common
