// Floats in memory as the kernels want them.
#pragma once

#include <cstdint>

#include "common/base/buffer.hpp"
#include "common/base/sizes.hpp"

namespace llorch::cpu {

using common::Buffer;
using common::checked_product;
using common::round_up;

/// A Buffer of floats, with room for whole vectors: zeros follow the last one up to a multiple of 16.
class FloatBuffer {
 public:
  FloatBuffer() = default;
  FloatBuffer(std::uint64_t count, const char* what);
  [[nodiscard]] float* get() const { return buffer_.as<float>(); }
  /// What FloatBuffer(count, ...) takes.
  static std::uint64_t bytes_for(std::uint64_t count, const char* what);
  [[nodiscard]] std::uint64_t bytes() const { return buffer_.bytes(); }

 private:
  Buffer buffer_;
};

}  // namespace llorch::cpu
