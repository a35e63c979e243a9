// The weights of a Llama model in memory, packed for the kernels.
#pragma once

#include <cstdint>

#include "cpu/source/load.hpp"
#include "llama/weights.hpp"

namespace llorch::llama2_cpu {

using llama::Config;
using LayerWeights = llama::LayerWeights<cpu::PackedMatrix, cpu::FloatBuffer>;
using Weights = llama::Weights<cpu::PackedMatrix, cpu::FloatBuffer>;

/// Checks that every tensor is there with a supported type and the right shape; returns the bytes it will take.
std::uint64_t check_weights(const Config& config, const abi::Source& source);

/// Reads and packs all weights. `fingerprint` receives a hash over samples of every tensor.
Weights load_weights(const Config& config, const abi::Source& source, const cpu::KernelTable& kernels, int n_threads,
                     std::uint64_t* fingerprint);

}  // namespace llorch::llama2_cpu
