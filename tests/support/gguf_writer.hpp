// Builds GGUF files in memory, right ones and wrong ones.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/little_endian.hpp"

namespace llorch::testing {

/// Value types of GGUF metadata.
enum GgufValueType : std::uint32_t {
  kGgufU8 = 0,
  kGgufI8 = 1,
  kGgufU16 = 2,
  kGgufI16 = 3,
  kGgufU32 = 4,
  kGgufI32 = 5,
  kGgufF32 = 6,
  kGgufBool = 7,
  kGgufString = 8,
  kGgufArray = 9,
  kGgufU64 = 10,
  kGgufI64 = 11,
  kGgufF64 = 12
};

[[nodiscard]] inline std::string gguf_string(std::string_view text) {
  return le<std::uint64_t>(text.size()) + std::string(text);
}

/// A value with its type in front, as it follows a key.
[[nodiscard]] inline std::string gguf_u32(std::uint32_t v) {
  return le<std::uint32_t>(kGgufU32) + le(v);
}
[[nodiscard]] inline std::string gguf_u16(std::uint16_t v) {
  return le<std::uint32_t>(kGgufU16) + le(v);
}
[[nodiscard]] inline std::string gguf_i32(std::int32_t v) {
  return le<std::uint32_t>(kGgufI32) + le(v);
}
[[nodiscard]] inline std::string gguf_f32(float v) {
  return le<std::uint32_t>(kGgufF32) + le(v);
}
[[nodiscard]] inline std::string gguf_text(std::string_view v) {
  return le<std::uint32_t>(kGgufString) + gguf_string(v);
}
/// `elements`: the packed elements.
[[nodiscard]] inline std::string gguf_array(std::uint32_t type, std::uint64_t count, const std::string& elements) {
  return le<std::uint32_t>(kGgufArray) + le(type) + le(count) + elements;
}
[[nodiscard]] inline std::string gguf_text_array(const std::vector<std::string>& texts) {
  std::string elements;
  for (const std::string& text : texts) {
    elements += gguf_string(text);
  }
  return gguf_array(kGgufString, texts.size(), elements);
}

struct GgufTensor {
  std::string name;
  std::vector<std::uint64_t> ne;  ///< as in the file: innermost first
  std::uint32_t type = 0;
  std::string data;
  std::optional<std::uint64_t> offset = {};       ///< instead of the next free place
  std::optional<std::uint32_t> n_dims = {};       ///< instead of ne.size()
  std::optional<std::uint64_t> name_length = {};  ///< instead of name.size()
};

/// Public members are the file; the optional ones replace what would be right.
struct GgufWriter {
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::optional<std::uint64_t> tensor_count, key_count;
  std::vector<std::pair<std::string, std::string>> pairs;  ///< key, value with its type
  std::vector<GgufTensor> tensors;
  std::uint64_t alignment = 32;  ///< what is used; does not add the key

  /// Replaces or adds a pair.
  void set(const std::string& key, std::string value) {
    const auto it = std::find_if(pairs.begin(), pairs.end(), [&](const auto& pair) { return pair.first == key; });
    if (it != pairs.end()) {
      it->second = std::move(value);
    } else {
      pairs.emplace_back(key, std::move(value));
    }
  }
  void erase(const std::string& key) {
    std::erase_if(pairs, [&](const auto& pair) { return pair.first == key; });
  }
  GgufTensor& tensor(std::string_view name) {
    for (GgufTensor& tensor : tensors) {
      if (tensor.name == name) return tensor;
    }
    throw std::out_of_range("no tensor " + std::string(name));
  }
  void erase_tensor(std::string_view name) {
    std::erase_if(tensors, [&](const GgufTensor& tensor) { return tensor.name == name; });
  }

  /// Everything in front of the tensor data, without padding.
  [[nodiscard]] std::string header() const {
    std::string out = magic + le(version) + le<std::uint64_t>(tensor_count.value_or(tensors.size())) +
                      le<std::uint64_t>(key_count.value_or(pairs.size()));
    for (const auto& [key, value] : pairs) {
      out += gguf_string(key) + value;
    }
    std::uint64_t offset = 0;
    for (const GgufTensor& tensor : tensors) {
      out += le<std::uint64_t>(tensor.name_length.value_or(tensor.name.size())) + tensor.name;
      out += le<std::uint32_t>(tensor.n_dims.value_or(static_cast<std::uint32_t>(tensor.ne.size())));
      for (const std::uint64_t dim : tensor.ne) {
        out += le(dim);
      }
      out += le(tensor.type) + le(tensor.offset.value_or(offset));
      offset = pad(offset + tensor.data.size());
    }
    return out;
  }

  /// The whole file.
  [[nodiscard]] std::string bytes() const {
    std::string out = header();
    if (tensors.empty()) return out;
    out.resize(pad(out.size()), '\0');
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      out += tensors[i].data;
      if (i + 1 < tensors.size()) out.resize(pad(out.size()), '\0');
    }
    return out;
  }

 private:
  [[nodiscard]] std::uint64_t pad(std::uint64_t n) const { return (n + alignment - 1) / alignment * alignment; }
};

}  // namespace llorch::testing
