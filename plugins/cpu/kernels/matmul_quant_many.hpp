// Products of many rows on sets without matrix tiles.
#pragma once

#include "cpu/kernels/types.hpp"

namespace llorch::cpu::LLORCH_CPU_ISA {

template <WeightType kType>
void quant_many(const MatmulArgs& a, std::int64_t group_begin, std::int64_t group_end) {
  quant_blocked<kType>(a, group_begin, group_end);
}

}  // namespace llorch::cpu::LLORCH_CPU_ISA
