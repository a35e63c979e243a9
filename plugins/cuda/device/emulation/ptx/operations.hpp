// What each opcode does, and the widths of its operands.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "cuda/device/emulation/ptx/program.hpp"

namespace llorch::cuda::ptx {

struct Form {
  Run run = nullptr;
  std::vector<std::uint8_t> operand_bytes;  ///< of registers and of constants in their place; 0: predicate
  Flow flow = Flow::kNext;
};

using Forms = std::unordered_map<std::string, Form>;

/// Keyed by the whole opcode: "add.s32". Loads, stores, branches and moves of vectors are the assembler's.
[[nodiscard]] const Forms& forms();
void add_arithmetic(Forms& forms);
void add_addresses(Forms& forms);  // after add_arithmetic()
void add_warp_instructions(Forms& forms);

/// For elements of 1, 2, 4 or 8 bytes.
[[nodiscard]] Run load_of(std::uint8_t bytes, bool is_signed);
[[nodiscard]] Run store_of(std::uint8_t bytes);
void run_copy_async(Warp& warp, const Instruction& i, Mask lanes);
void run_load_matrix(Warp& warp, const Instruction& i, Mask lanes);
void run_pack(Warp& warp, const Instruction& i, Mask lanes);    ///< mov {low, high} into one register
void run_unpack(Warp& warp, const Instruction& i, Mask lanes);  ///< and back

}  // namespace llorch::cuda::ptx
