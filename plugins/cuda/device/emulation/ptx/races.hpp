// Two threads that touch the same byte of shared memory, one of them to write it, with nothing between them that puts
// one behind the other: a result that depends on who comes first, on a device if not here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "cuda/device/emulation/ptx/program.hpp"

namespace llorch::cuda::ptx {

class Races {
 public:
  struct Race {
    unsigned other;    ///< thread
    bool other_wrote;  ///< or else it read
  };

  /// At first, and at a barrier of the block: what was done before lies behind.
  void block_meets() { ++block_epoch_; }
  /// A block of `shared_bytes` begins.
  void begin(std::size_t shared_bytes);
  /// The thread reads or writes those bytes, for which its warp has met `warp_epoch` times. Copies count where they are
  /// asked for: what reads them waits for them and meets the others after that.
  [[nodiscard]] std::optional<Race> touch(unsigned thread, std::uint32_t warp_epoch, std::size_t offset,
                                          std::size_t bytes, bool write);

 private:
  /// The last that happened to a byte. 0 is before everything.
  struct Byte {
    std::uint64_t written = 0, read = 0;  // block's epochs
    std::uint32_t written_warp = 0, read_warp = 0;
    std::uint32_t reader_warps = 0;  // a bit each, in the epoch `read`
    std::uint16_t writer = 0, reader = 0;
    bool several = false;  // lanes of the reader's warp read it since they met
  };
  std::optional<Race> touch_byte(Byte& byte, unsigned thread, std::uint32_t warp_epoch, bool write);

  std::vector<Byte> bytes_;
  std::uint64_t block_epoch_ = 0;
};

}  // namespace llorch::cuda::ptx
