#include "common/base/sizes.hpp"

#include "common/base/failure.hpp"

namespace llorch::common {
namespace {

constexpr std::uint64_t kLimit = std::uint64_t{1} << 62;

}  // namespace

std::uint64_t checked_product(std::uint64_t a, std::uint64_t b, const char* what) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product) || product > kLimit) {
    fail(LLORCH_OUT_OF_MEMORY, what, ": ", a, " * ", b, " bytes are more than any machine has");
  }
  return product;
}

}  // namespace llorch::common
