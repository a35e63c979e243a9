#include "cuda/device/emulation/ptx/races.hpp"

#include <bit>

namespace llorch::cuda::ptx {

void Races::begin(std::size_t shared_bytes) {
  if (bytes_.size() < shared_bytes) bytes_.resize(shared_bytes);
  block_meets();
}

std::optional<Races::Race> Races::touch(unsigned thread, std::uint32_t warp_epoch, std::size_t offset,
                                        std::size_t bytes, bool write) {
  for (std::size_t i = 0; i < bytes; ++i) {
    if (const auto race = touch_byte(bytes_[offset + i], thread, warp_epoch, write)) return race;
  }
  return std::nullopt;
}

std::optional<Races::Race> Races::touch_byte(Byte& byte, unsigned thread, std::uint32_t warp_epoch, bool write) {
  const unsigned warp = thread / kLanes;
  if (byte.written == block_epoch_ && byte.writer != thread) {
    const bool same_warp = byte.writer / kLanes == warp;
    if (!same_warp || byte.written_warp == warp_epoch) return Race{byte.writer, true};
  }
  if (byte.read != block_epoch_) byte.reader_warps = 0;
  const std::uint32_t own = std::uint32_t{1} << warp;
  if (write) {
    if ((byte.reader_warps & ~own) != 0) {
      const bool last = byte.reader / kLanes != warp;
      return Race{last ? byte.reader : std::countr_zero(byte.reader_warps & ~own) * static_cast<unsigned>(kLanes),
                  false};
    }
    if (byte.reader_warps != 0 && byte.read_warp == warp_epoch && (byte.several || byte.reader != thread)) {
      return Race{byte.reader, false};
    }
    byte.written = block_epoch_;
    byte.written_warp = warp_epoch;
    byte.writer = static_cast<std::uint16_t>(thread);
    return std::nullopt;
  }
  const bool again = (byte.reader_warps & own) != 0 && byte.reader / kLanes == warp && byte.read_warp == warp_epoch;
  byte.several = again && (byte.several || byte.reader != thread);
  byte.read = block_epoch_;
  byte.read_warp = warp_epoch;
  byte.reader_warps |= own;
  byte.reader = static_cast<std::uint16_t>(thread);
  return std::nullopt;
}

}  // namespace llorch::cuda::ptx
