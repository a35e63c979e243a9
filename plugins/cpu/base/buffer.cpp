#include "cpu/base/buffer.hpp"

namespace llorch::cpu {

FloatBuffer::FloatBuffer(std::uint64_t count, const char* what) : buffer_(bytes_for(count, what), what) {}

std::uint64_t FloatBuffer::bytes_for(std::uint64_t count, const char* what) {
  return checked_product((count + 15) / 16, 16 * sizeof(float), what);
}

}  // namespace llorch::cpu
