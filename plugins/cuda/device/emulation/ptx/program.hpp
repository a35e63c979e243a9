// A kernel as nvcc wrote it in PTX (PTX ISA 9.0), ready to be run 32 lanes at a time.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace llorch::cuda::ptx {

inline constexpr int kLanes = 32;
using Mask = std::uint32_t;  ///< a bit a lane
inline constexpr Mask kAllLanes = 0xffffffffu;

/// Where the lanes of a register lie among a warp's words: a word a lane, two of 8 bytes; a predicate is one Mask.
struct Operand {
  std::uint32_t at = 0;
  std::uint8_t bytes = 0;  ///< 2, 4 or 8; 0: a predicate
};

class Warp;
struct Instruction;
using Run = void (*)(Warp&, const Instruction&, Mask);

enum class Flow : std::uint8_t {
  kNext,
  kTogether,   ///< wants all lanes of the warp at once
  kBlockSync,  ///< all threads of the block
  kBranch,
  kEnd,
};

enum class Space : std::uint8_t { kGeneric, kGlobal, kShared, kLocal, kParameter };

struct Instruction {
  Run run = nullptr;
  Flow flow = Flow::kNext;
  bool guarded = false, guard_negated = false;
  std::uint32_t guard = 0;           ///< word of the predicate
  std::array<Operand, 14> operands;  ///< as written, vectors one element after the other, an address as its register
  std::uint8_t n_operands = 0;
  Space space = Space::kGeneric;
  std::uint8_t element_bytes = 0, n_elements = 1;  ///< of a load or a store, or of what mov takes apart
  std::int64_t offset = 0, second_offset = 0;      ///< of addresses
  std::uint32_t target = 0;                        ///< of a branch: index of an instruction
  std::uint32_t line = 0;                          ///< in the PTX
};

struct Parameter {
  std::uint32_t offset, bytes;
};

/// Special registers that a kernel reads: words where their lanes lie.
enum class Special : std::uint8_t {
  kTidX,
  kTidY,
  kTidZ,
  kNtidX,
  kNtidY,
  kNtidZ,
  kCtaidX,
  kCtaidY,
  kCtaidZ,
  kNctaidX,
  kNctaidY,
  kNctaidZ
};
inline constexpr std::size_t kSpecials = 12;

struct Kernel {
  std::string name;
  std::vector<Instruction> code;
  std::vector<std::uint32_t> words;  ///< of a warp before its first instruction: constants; registers are garbage
  std::array<std::uint32_t, kSpecials> specials{};  ///< 0: not read
  std::vector<Parameter> parameters;
  std::uint32_t parameter_bytes = 0, local_bytes = 0;
  std::uint32_t most_threads = 1024;  ///< of a block: .maxntid
  bool waits = true;                  ///< is code for 9.0 or later, which has griddepcontrol
};

// What addresses look like. Those of global memory are the host's; generic ones of the others are marked at the top.
inline constexpr std::uint32_t kSharedBegin = 1024;
inline constexpr std::uint64_t kGenericShared = std::uint64_t{0x70} << 56u;
inline constexpr std::uint64_t kGenericLocal = std::uint64_t{0x60} << 56u;
inline constexpr std::uint64_t kGenericMark = std::uint64_t{0xff} << 56u;

/// The kernel of the file's text that begins at `entry`. Throws abi::Failure naming file and line for what this machine
/// does not know.
[[nodiscard]] Kernel assemble(const std::string& file, const std::string& text, std::size_t entry);

}  // namespace llorch::cuda::ptx
