// How the keys or the values of one head lie in a block, for each type of cache, and the way in and out.
#pragma once

#include <cstdint>

#include "common/kv/kv_types.hpp"
#include "cpu/kernels/kernel_table.hpp"

namespace llorch::cpu {

using common::kKvBlock;
static_assert(kKvBlock == kLanes, "the scores of a block are one vector");

/// [any-thread] A row of a head is moved in parts of kKvPart components, the last of which may be shorter; `d` is the
/// first component of one. Outside of blocks a part is its floats, its halves, or its f16 scale and its codes.
class KvLayout {
 public:
  /// kKeys: elements (head_dim, kKvBlock). kValues: (ceil(head_dim / 16), kKvBlock, 16). Scales, where there are any,
  /// follow: (ceil(head_dim / kKvPart), kKvBlock).
  enum class Order : std::uint8_t { kKeys, kValues };
  KvLayout(KvType type, Order order, std::int64_t head_dim) : type_(type), order_(order), head_dim_(head_dim) {}

  [[nodiscard]] KvType type() const { return type_; }
  [[nodiscard]] std::int64_t head_bytes() const;  ///< of one head in one block
  /// Of one row of one head outside of blocks.
  [[nodiscard]] std::int64_t row_bytes() const { return common::kv_row_bytes(type_, head_dim_); }
  static constexpr std::int64_t kLargestPart = kKvPart * static_cast<std::int64_t>(sizeof(float));
  [[nodiscard]] std::int64_t part_bytes(std::int64_t d) const;

  /// Moves a part as it is stored, into or out of place `slot` of a head's block.
  void put(unsigned char* head, std::int64_t slot, std::int64_t d, const unsigned char* part) const;
  void get(const unsigned char* head, std::int64_t slot, std::int64_t d, unsigned char* part) const;
  /// The same with whole rows outside of blocks: row_bytes() bytes.
  void put_row(unsigned char* head, std::int64_t slot, const unsigned char* row) const;
  void get_row(const unsigned char* head, std::int64_t slot, unsigned char* row) const;

  /// Rounds the part x[d], x[d + 1], ... of a row x (head_dim) to the type and stores it.
  void store(const KernelTable& kernels, unsigned char* head, std::int64_t slot, std::int64_t d, const float* x) const;
  /// The stored values of the part, to x[d], x[d + 1], ... of a row x (head_dim).
  void fetch(const KernelTable& kernels, const unsigned char* head, std::int64_t slot, std::int64_t d, float* x) const;

 private:
  [[nodiscard]] std::int64_t components(std::int64_t d) const {
    return d + kKvPart < head_dim_ ? kKvPart : head_dim_ - d;
  }
  /// Elements of one position in a block, padding included.
  [[nodiscard]] std::int64_t padded() const;
  [[nodiscard]] std::int64_t scale_offset(std::int64_t slot, std::int64_t d) const;
  template <class T>
  void scatter(unsigned char* head, std::int64_t slot, std::int64_t d, const unsigned char* from) const;
  template <class T>
  void gather(const unsigned char* head, std::int64_t slot, std::int64_t d, unsigned char* to) const;

  KvType type_;
  Order order_;
  std::int64_t head_dim_;
};

}  // namespace llorch::cpu
