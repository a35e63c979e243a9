#include "cuda/device/emulation/stacks.hpp"

#include <llorch/plugin.hpp>

#include <sys/mman.h>

#include <cstdint>

#include "cuda/device/launch.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define LLORCH_FIBERS_UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LLORCH_FIBERS_UNDER_ASAN 1
#endif
#endif
#if defined(LLORCH_FIBERS_UNDER_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace llorch::cuda::emulation {
namespace {

constexpr std::size_t kStackBytes = std::size_t{128} << 10u;
constexpr std::size_t kPage = 4096;

unsigned char* all_stacks() {
  static unsigned char* const stacks = [] {
    const std::size_t bytes = kStackBytes * kMostBlockThreads;
    void* region = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (region == MAP_FAILED) abi::fail(LLORCH_OUT_OF_MEMORY, "the stacks of emulated threads: ", bytes, " bytes");
    auto* first = static_cast<unsigned char*>(region);
    for (std::size_t i = 0; i < kMostBlockThreads; ++i) {
      if (mprotect(first + i * kStackBytes, kPage, PROT_NONE) != 0) {
        abi::fail(LLORCH_DEVICE_ERROR, "mprotect: the stacks of emulated threads");
      }
    }
    return first;
  }();
  return stacks;
}

}  // namespace

void Switch::take(unsigned n) {
  bottom_ = all_stacks() + n * kStackBytes + kPage;
  // Stacks that all end at the same place of a page would share a few lines of the processor's cache.
  bytes_ = kStackBytes - kPage - n * 320 % kPage / 64 * 64;
}

boost::context::detail::fcontext_t Switch::make(Entry entry) {
#if defined(LLORCH_FIBERS_UNDER_ASAN)
  __asan_unpoison_memory_region(bottom_, bytes_);  // what an abandoned fiber left
  fake_stack_ = nullptr;
#endif
  return boost::context::detail::make_fcontext(static_cast<unsigned char*>(bottom_) + bytes_, bytes_, entry);
}

void Switch::leave([[maybe_unused]] const Switch& to) {
#if defined(LLORCH_FIBERS_UNDER_ASAN)
  __sanitizer_start_switch_fiber(&fake_stack_, to.bottom_, to.bytes_);
#endif
}

void Switch::enter([[maybe_unused]] Switch& from) {
#if defined(LLORCH_FIBERS_UNDER_ASAN)
  const void* bottom = nullptr;
  std::size_t bytes = 0;
  __sanitizer_finish_switch_fiber(fake_stack_, &bottom, &bytes);
  if (from.bottom_ == nullptr) {  // the caller's own stack, which only the sanitizer knows
    from.bottom_ = const_cast<void*>(bottom);
    from.bytes_ = bytes;
  }
#endif
}

}  // namespace llorch::cuda::emulation
