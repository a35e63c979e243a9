// What NVIDIA's driver says, asked of its own libraries: they are opened where they are, so nothing of CUDA is needed
// to build or to start this.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "plugin.hpp"

namespace llorch::gpu_check {

/// The driver's view of the device that a plugin calls its first.
class DeviceMemory {
 public:
  /// Null, with the reason, where that device is not one of CUDA's ("cuda:0") or the driver cannot be asked.
  static std::unique_ptr<DeviceMemory> of(const Plugin& plugin, std::string& why);
  virtual ~DeviceMemory() = default;
  /// Of the device, whoever takes the rest. Throws std::runtime_error with the driver's number of the error.
  [[nodiscard]] virtual std::uint64_t free_bytes() const = 0;
};

/// {"cuda":13000,"version":"580.65"}: the CUDA that the driver has and its own version; null for what there is not.
std::string driver_json();

}  // namespace llorch::gpu_check
