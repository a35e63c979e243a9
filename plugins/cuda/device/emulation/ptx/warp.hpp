// 32 threads, their registers and what they may touch.
#pragma once

#include <llorch/plugin.hpp>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "cuda/device/emulation/ptx/program.hpp"
#include "cuda/device/emulation/ptx/races.hpp"

namespace llorch::cuda::ptx {

/// What the threads of a block share.
struct Block {
  const Kernel* kernel = nullptr;
  const unsigned char* parameters = nullptr;
  std::vector<unsigned char> shared;
  std::array<unsigned, 3> index{};
  Races* races = nullptr;
};

/// A copy of 16 bytes that has not arrived.
struct Copy {
  std::uint32_t to;  ///< offset in shared memory
  const unsigned char* from;
};

template <class F>
inline void each_lane(Mask lanes, F&& f) {
  if (lanes == kAllLanes) {
    for (int lane = 0; lane < kLanes; ++lane)
      f(lane);
    return;
  }
  for (Mask rest = lanes; rest != 0; rest &= rest - 1)
    f(std::countr_zero(rest));
}

class Warp {
 public:
  std::vector<std::uint32_t> words;
  std::array<std::uint32_t, kLanes> pc{};
  Mask live = 0;     ///< threads that have not ended
  Mask blocked = 0;  ///< those that wait for others of the warp
  Mask waited = 0;   ///< those that were at griddepcontrol.wait
  Block* block = nullptr;
  unsigned index = 0;
  std::uint32_t epoch = 0;           ///< how often its lanes have met at bar.warp.sync
  std::vector<unsigned char> local;  ///< of all lanes
  std::array<std::vector<std::vector<Copy>>, kLanes> copies;

  template <class T>
  [[nodiscard]] T get(Operand operand, int lane) const {
    if constexpr (sizeof(T) == 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, words.data() + operand.at + 2 * lane, 8);
      return std::bit_cast<T>(word);
    } else if constexpr (sizeof(T) == 4) {
      return std::bit_cast<T>(words[operand.at + static_cast<std::uint32_t>(lane)]);
    } else {
      return static_cast<T>(words[operand.at + static_cast<std::uint32_t>(lane)]);
    }
  }
  template <class T>
  void set(Operand operand, int lane, T value) {
    if constexpr (sizeof(T) == 8) {
      const auto word = std::bit_cast<std::uint64_t>(value);
      std::memcpy(words.data() + operand.at + 2 * lane, &word, 8);
    } else if constexpr (sizeof(T) == 4) {
      words[operand.at + static_cast<std::uint32_t>(lane)] = std::bit_cast<std::uint32_t>(value);
    } else {
      words[operand.at + static_cast<std::uint32_t>(lane)] = static_cast<std::make_unsigned_t<T>>(value);
    }
  }
  [[nodiscard]] Mask predicate(Operand operand) const { return words[operand.at]; }
  void set_predicate(Operand operand, Mask lanes, Mask value) {
    words[operand.at] = (words[operand.at] & ~lanes) | (value & lanes);
  }

  /// The bytes at an address, for one access of a lane. Throws for what is not there, not aligned, not to be touched
  /// before griddepcontrol.wait, or touched by another thread that this one has not met since.
  [[nodiscard]] unsigned char* at(const Instruction& i, int lane, Space space, std::uint64_t address,
                                  std::uint32_t bytes, bool write);
  /// Throws when the lane touches bytes of shared memory, from `offset` on, that another thread has touched that it has
  /// not met since.
  void check_race(const Instruction& i, int lane, std::size_t offset, std::uint32_t bytes, bool write) const;
  /// Throws abi::Failure that names kernel, line, block and thread.
  template <class... Parts>
  [[noreturn]] void fail(const Instruction& i, int lane, const Parts&... what) const {
    abi::fail(LLORCH_DEVICE_ERROR, where(i, lane), what...);
  }
  [[nodiscard]] std::string where(const Instruction& i, int lane) const;
};

}  // namespace llorch::cuda::ptx
