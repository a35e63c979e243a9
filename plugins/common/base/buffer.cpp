#include "common/base/buffer.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "common/base/failure.hpp"

namespace llorch::common {
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

}  // namespace llorch::common
