// The weights of a Llama model on a device.
#pragma once

#include <cstdint>
#include <vector>

#include "cuda/source/load.hpp"
#include "llama/weights.hpp"

namespace llorch::llama2_cuda {

using llama::Config;
using LayerWeights = llama::LayerWeights<cuda::DeviceMatrix, cuda::DeviceVector>;
using Weights = llama::Weights<cuda::DeviceMatrix, cuda::DeviceVector>;

/// Checks that every tensor is there with a supported type and the right shape; returns the bytes it will take.
std::uint64_t check_weights(const Config& config, const abi::Source& source);

/// Reads and uploads all weights. `fingerprint` receives a hash over samples of every tensor.
Weights load_weights(const Config& config, const abi::Source& source, cuda::Stream& stream, int n_threads,
                     std::uint64_t* fingerprint);

/// What frequencies of rotary positions are divided by; empty where the model has none.
std::vector<float> read_rope_divisors(const Config& config, const abi::Source& source);

}  // namespace llorch::llama2_cuda
