// Which instruction set a process computes with.
#pragma once

#include <string>
#include <vector>

#include "cpu/kernels/kernel_table.hpp"

namespace llorch::cpu {

/// Every table this machine can run, the scalar one first, the fastest last. [any-thread]
const std::vector<const KernelTable*>& available_kernels();

/// The fastest available, or the one that `forced` names ("scalar", "avx2", ...; empty: no wish).
/// Throws Failure(LLORCH_UNSUPPORTED) naming the sets there are when the wish cannot be met. [any-thread]
const KernelTable& select_kernels(const std::string& forced);

/// The value of the environment variable LLORCH_CPU_ISA, or empty.
std::string forced_instruction_set();

}  // namespace llorch::cpu
