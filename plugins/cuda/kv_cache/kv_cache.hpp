// Keys and values of many sequences on a device: memory behind the book that all plugins share. One caller at a time.
#pragma once

#include <cstdint>
#include <span>

#include "common/kv/kv_book.hpp"
#include "cuda/device/runtime.hpp"
#include "cuda/kernels/kv_view.hpp"

namespace llorch::cuda {

/// A base of the cache, so that there is memory before anything is written about it.
struct KvMemory {
  KvMemory(int device, const common::KvShape& shape, std::int64_t max_tokens);
  DeviceMemory k_elements_, k_scales_, v_elements_, v_scales_;
};

/// Failures of the device are DEVICE_ERROR, as Stream states them.
class KvCache final : private KvMemory, public common::KvBook {
 public:
  /// As KvBook. `stream` does the work and outlives the cache. OUT_OF_MEMORY names the bytes.
  KvCache(Stream& stream, const common::KvShape& shape, std::int64_t max_tokens, std::int32_t max_seqs,
          std::uint64_t fingerprint);

  /// Device memory of keys and values.
  static std::uint64_t bytes_for(const common::KvShape& shape, std::int64_t max_tokens);
  [[nodiscard]] std::uint64_t bytes() const;
  /// Device memory of what moves rows.
  static std::uint64_t scratch_bytes_for(const common::KvShape& shape, std::int64_t max_tokens);
  [[nodiscard]] std::uint64_t scratch_bytes() const { return device_stage_.bytes(); }
  /// Pinned memory of the same: as many.
  [[nodiscard]] std::uint64_t pinned_bytes() const { return host_stage_.bytes(); }

  [[nodiscard]] const KvView& view() const { return view_; }

 private:
  void copy_block(std::uint32_t from, std::uint32_t to) override;
  void copy_rows(std::span<const Move> moves) override;
  void rotate_keys(std::span<const common::KvPlace> rows, const common::KeyRotation& rotation) override;
  void read_rows(std::int64_t layer, std::span<const common::KvPlace> rows, unsigned char* k,
                 unsigned char* v) const override;
  void write_rows(std::int64_t layer, std::span<const common::KvPlace> rows, const unsigned char* k,
                  const unsigned char* v) override;

  Stream& stream_;
  KvView view_;
  std::int64_t stage_rows_ = 0;                     // that are moved at once
  std::int64_t k_row_bytes_ = 0, v_row_bytes_ = 0;  // of all heads, as saved states have them
  DeviceMemory device_stage_;                       // places or moves, then rows of keys and values
  PinnedMemory host_stage_;                         // the same
};

}  // namespace llorch::cuda
