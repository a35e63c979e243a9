// What a plugin does with its list of weights: check them, or load them. The list itself is the plugin's
// visit_weights(), which calls matrix() and floats() for every tensor.
#pragma once

#include <llorch/plugin.hpp>

#include <cstdint>
#include <initializer_list>
#include <string>

#include "cpu/base/hash.hpp"
#include "cpu/source/load.hpp"

namespace llorch::cpu {

using Dims = std::initializer_list<std::uint64_t>;

/// Checks that every tensor is there with a supported type and the right shape; adds up the bytes it will take.
struct WeightChecker {
  const abi::Source& source;
  std::uint64_t bytes = 0;

  void matrix(const std::string& name, Dims dims, PackedMatrix&) {
    bytes += packed_bytes(weight_tensor(source, name, dims));
  }
  void floats(const std::string& name, Dims dims, FloatBuffer&) {
    bytes += floats_bytes(weight_tensor(source, name, dims));
  }
};

/// Reads and packs every tensor; `fingerprint` becomes a hash over samples of all of them.
struct WeightLoader {
  const abi::Source& source;
  const KernelTable& kernels;
  int n_threads;
  std::uint64_t fingerprint = kHashStart;

  void matrix(const std::string& name, Dims dims, PackedMatrix& out) {
    const llorch_tensor tensor = weight_tensor(source, name, dims);
    fingerprint = fold_fingerprint(source, tensor, fingerprint);
    out = load_packed(source, tensor, n_threads);
  }
  void floats(const std::string& name, Dims dims, FloatBuffer& out) {
    const llorch_tensor tensor = weight_tensor(source, name, dims);
    fingerprint = fold_fingerprint(source, tensor, fingerprint);
    out = load_floats(source, tensor, kernels);
  }
};

}  // namespace llorch::cpu
