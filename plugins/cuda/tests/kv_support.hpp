// A cache on the device for tests.
#pragma once

#include "kernel_support.hpp"

namespace llorch::cuda::testing {

class Cache {
 public:
  Cache(Stream& stream, KvType k_type, KvType v_type, std::int64_t n_layers, std::int64_t n_blocks,
        std::int64_t n_heads, std::int64_t head_dim)
      : stream_(&stream) {
    view_.n_layers = static_cast<std::int32_t>(n_layers);
    view_.n_blocks = static_cast<std::int32_t>(n_blocks);
    view_.n_heads = static_cast<std::int32_t>(n_heads);
    view_.head_dim = static_cast<std::int32_t>(head_dim);
    view_.k = plane(k_type, 0);
    view_.v = plane(v_type, 1);
  }
  [[nodiscard]] const KvView& view() const { return view_; }
  [[nodiscard]] std::int64_t row_floats() const { return std::int64_t{view_.n_heads} * view_.head_dim; }

  /// Stores k and v (places.size(), n_heads * head_dim), not turned.
  void store(std::int64_t layer, const std::vector<std::uint32_t>& places, const std::vector<float>& k,
             const std::vector<float>& v) const {
    const auto n = static_cast<std::int64_t>(places.size());
    const DeviceRows q(*stream_, n, row_floats(), k);
    const DeviceRows k_rows(*stream_, n, row_floats(), k);
    const DeviceRows v_rows(*stream_, n, row_floats(), v);
    const DeviceMemory device_places = on_device(*stream_, places);
    NewRows rows;
    rows.q = q.view();
    rows.k = k_rows.view();
    rows.v = v_rows.view();
    rows.places = device_places.as<std::uint32_t>();
    rotate_and_store(*stream_, rows, view_, layer);
    stream_->synchronize();
  }

  /// Rows as saved states have them.
  [[nodiscard]] std::vector<unsigned char> saved(std::int64_t layer, const std::vector<std::uint32_t>& places,
                                                 bool keys) const {
    const auto n = static_cast<std::int64_t>(places.size());
    const auto bytes = [&](KvType type) {
      return static_cast<std::size_t>(n * view_.n_heads * common::kv_row_bytes(type, view_.head_dim));
    };
    const DeviceMemory device_places = on_device(*stream_, places);
    const DeviceMemory k(stream_->device(), bytes(view_.k.type), "saved keys");
    const DeviceMemory v(stream_->device(), bytes(view_.v.type), "saved values");
    read_kv_rows(*stream_, view_, layer, device_places.as<std::uint32_t>(), n, k.as<unsigned char>(),
                 v.as<unsigned char>());
    return on_host<unsigned char>(*stream_, keys ? k : v, bytes(keys ? view_.k.type : view_.v.type));
  }

  /// What is stored, as floats (places.size(), n_heads * head_dim).
  [[nodiscard]] std::vector<float> values(std::int64_t layer, const std::vector<std::uint32_t>& places,
                                          bool keys) const {
    const KvType type = keys ? view_.k.type : view_.v.type;
    const std::vector<unsigned char> bytes = saved(layer, places, keys);
    const auto row_bytes = static_cast<std::size_t>(common::kv_row_bytes(type, view_.head_dim));
    std::vector<float> out;
    for (std::size_t row = 0; row < bytes.size() / row_bytes; ++row) {
      const unsigned char* at = bytes.data() + row * row_bytes;
      for (std::size_t d = 0; d < static_cast<std::size_t>(view_.head_dim); ++d) {
        float value = 0.0f;
        std::uint16_t half = 0;
        if (type == KvType::kF32) {
          std::memcpy(&value, at + d * 4, sizeof value);
        } else if (type == KvType::kF16) {
          std::memcpy(&half, at + d * 2, sizeof half);
          value = static_cast<float>(half_value(half));
        } else {
          std::memcpy(&half, at + d / 32 * 34, sizeof half);
          value = static_cast<float>(half_value(half)) *
                  static_cast<float>(static_cast<std::int8_t>(at[d / 32 * 34 + 2 + d % 32]));
        }
        out.push_back(value);
      }
    }
    return out;
  }

 private:
  KvPlane plane(KvType type, int which) {
    const auto bytes = kv_element_bytes_of(type, view_.n_layers, view_.n_blocks, view_.n_heads, view_.head_dim);
    const auto scales = kv_scale_bytes_of(type, view_.n_layers, view_.n_blocks, view_.n_heads, view_.head_dim);
    memory_[2 * which] = DeviceMemory(stream_->device(), static_cast<std::uint64_t>(bytes), "test cache");
    memory_[2 * which + 1] = DeviceMemory(stream_->device(), static_cast<std::uint64_t>(scales), "test cache's scales");
    // Every bit set: numbers that are none in what nobody wrote.
    stream_->fill(memory_[2 * which].data(), 0xff, memory_[2 * which].bytes());
    if (scales > 0) stream_->fill(memory_[2 * which + 1].data(), 0xff, memory_[2 * which + 1].bytes());
    stream_->synchronize();
    return {memory_[2 * which].as<unsigned char>(), memory_[2 * which + 1].as<std::uint16_t>(), type};
  }
  Stream* stream_;
  DeviceMemory memory_[4];
  KvView view_;
};

}  // namespace llorch::cuda::testing
