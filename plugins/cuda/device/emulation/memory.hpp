// The emulated devices' memory. Host code that touches it gets a signal, as it would with a device's: its pages are
// open only while kernels and copies run.
#pragma once

#include <cstdint>

namespace llorch::cuda::emulation {

/// Poisoned with 0xff, aligned to 256 bytes, its end close to a page that no one may touch. Null when the device has
/// not that much left. [any-thread]
[[nodiscard]] void* take_memory(int device, std::uint64_t bytes, const char* what);
void give_memory_back(void* data) noexcept;
/// Whoever writes it from now on gets a signal, kernels and copies too.
void make_constant(void* data);
[[nodiscard]] std::uint64_t memory_in_use(int device);

/// Opens all memory of all devices; closes it again, and throws DEVICE_ERROR naming the use of a piece that was written
/// behind its end. One at a time in a process: others wait.
class OpenMemory {
 public:
  OpenMemory();
  ~OpenMemory();
  void check() const;
};

struct Touched {
  bool inside = false;  ///< all of it lies in one piece of memory
  bool constant = false;
};
/// While memory is open.
[[nodiscard]] Touched touched(const void* at, std::uint64_t bytes);

/// While memory is open, for the first part of a kernel: closed, only constant memory can be read and nothing written.
void open_all_but_constant(bool open);

}  // namespace llorch::cuda::emulation
