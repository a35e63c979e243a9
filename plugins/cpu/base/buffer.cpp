#include "cpu/base/buffer.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "cpu/base/failure.hpp"

namespace llorch::cpu {
namespace {

constexpr std::uint64_t kHugePage = std::uint64_t{2} << 20;
constexpr std::uint64_t kLimit = std::uint64_t{1} << 62;

}  // namespace

Buffer::Buffer(std::uint64_t bytes, const char* what) {
  if (bytes == 0) return;
  const std::uint64_t slack = bytes >= kHugePage ? kHugePage : 0;
  if (bytes > kLimit) fail(LLORCH_OUT_OF_MEMORY, what, ": ", bytes, " bytes are more than any machine has");
  void* base = mmap(nullptr, bytes + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) {
    fail(LLORCH_OUT_OF_MEMORY, what, ": cannot allocate ", bytes, " bytes: ", std::strerror(errno));
  }
  base_ = base;
  mapped_ = bytes + slack;
  bytes_ = bytes;
  auto* start = static_cast<std::byte*>(base);
  if (slack != 0) {
    start += (kHugePage - reinterpret_cast<std::uintptr_t>(base) % kHugePage) % kHugePage;
    // Advice only: a kernel without huge pages still gives memory.
    madvise(start, bytes, MADV_HUGEPAGE);
  }
  data_ = start;
}

Buffer::~Buffer() {
  if (base_ != nullptr) munmap(base_, mapped_);
}

FloatBuffer::FloatBuffer(std::uint64_t count, const char* what) : buffer_(bytes_for(count, what), what) {}

std::uint64_t FloatBuffer::bytes_for(std::uint64_t count, const char* what) {
  return checked_product((count + 15) / 16, 16 * sizeof(float), what);
}

std::uint64_t checked_product(std::uint64_t a, std::uint64_t b, const char* what) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product) || product > kLimit) {
    fail(LLORCH_OUT_OF_MEMORY, what, ": ", a, " * ", b, " bytes are more than any machine has");
  }
  return product;
}

}  // namespace llorch::cpu
