// Builds safetensors files in memory, right ones and wrong ones.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/little_endian.hpp"

namespace llorch::testing {

/// A file of any header text and data.
[[nodiscard]] inline std::string safetensors_file(std::string_view header, std::string_view data = {}) {
  return le<std::uint64_t>(header.size()) + std::string(header) + std::string(data);
}

struct SafetensorsTensor {
  std::string name;
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::string data;
};

/// Public members are the file; tensors lie one behind the other.
struct SafetensorsWriter {
  std::vector<SafetensorsTensor> tensors;
  std::string metadata;  ///< value of __metadata__ as JSON text; empty: none

  [[nodiscard]] std::string header() const {
    std::string out = "{";
    std::uint64_t offset = 0;
    if (!metadata.empty()) out += "\"__metadata__\":" + metadata + ",";
    for (const SafetensorsTensor& tensor : tensors) {
      std::string shape;
      for (const std::uint64_t dim : tensor.shape) {
        shape += (shape.empty() ? "" : ",") + std::to_string(dim);
      }
      const std::uint64_t end = offset + tensor.data.size();
      out += "\"" + tensor.name + "\":{\"dtype\":\"" + tensor.dtype + "\",\"shape\":[" + shape +
             "],\"data_offsets\":[" + std::to_string(offset) + "," + std::to_string(end) + "]},";
      offset = end;
    }
    if (out.back() == ',') out.pop_back();
    out += "}";
    out.resize((out.size() + 7) / 8 * 8, ' ');
    return out;
  }

  [[nodiscard]] std::string bytes() const {
    std::string data;
    for (const SafetensorsTensor& tensor : tensors) {
      data += tensor.data;
    }
    return safetensors_file(header(), data);
  }
};

}  // namespace llorch::testing
