// What a plugin does with its list of weights: check them, or load them. The list itself is the plugin's
// visit_weights(), which calls matrix() and floats() for every tensor.
#pragma once

#include <llorch/plugin.hpp>

#include <cstdint>
#include <string>

#include "common/base/hash.hpp"
#include "common/source/tensors.hpp"
#include "cpu/source/load.hpp"

namespace llorch::cpu {

/// Checks that every tensor is there with a supported type and the right shape; adds up the bytes it will take.
struct WeightChecker {
  const abi::Source& source;
  std::uint64_t bytes = 0;

  void matrix(const std::string& name, common::Dims dims, PackedMatrix&) {
    bytes += packed_bytes(common::weight_tensor(source, name, dims));
  }
  void floats(const std::string& name, common::Dims dims, FloatBuffer&) {
    bytes += floats_bytes(common::weight_tensor(source, name, dims));
  }
};

/// Reads and packs every tensor; `fingerprint` becomes a hash over samples of all of them.
struct WeightLoader {
  const abi::Source& source;
  const KernelTable& kernels;
  int n_threads;
  std::uint64_t fingerprint = common::kHashStart;

  void matrix(const std::string& name, common::Dims dims, PackedMatrix& out) {
    const llorch_tensor tensor = common::weight_tensor(source, name, dims);
    fingerprint = common::fold_fingerprint(source, tensor, fingerprint);
    out = load_packed(source, tensor, n_threads);
  }
  void floats(const std::string& name, common::Dims dims, FloatBuffer& out) {
    const llorch_tensor tensor = common::weight_tensor(source, name, dims);
    fingerprint = common::fold_fingerprint(source, tensor, fingerprint);
    out = load_floats(source, tensor, kernels);
  }
};

}  // namespace llorch::cpu
