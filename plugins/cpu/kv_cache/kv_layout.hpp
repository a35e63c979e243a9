// How the keys or the values of one head lie in a block, for each type of cache, and the way in and out.
#pragma once

#include <llorch/llorch_plugin.h>

#include <cstdint>

#include "cpu/kernels/kernel_table.hpp"

namespace llorch::cpu {

/// Positions in a block: the lanes of a vector, so that the scores of a block are one vector.
inline constexpr std::int64_t kKvBlock = 16;

/// The KV type of an LLORCH_DTYPE_*, 0 being f32. UNSUPPORTED, naming `field`, for any other.
KvType kv_type_of(const char* field, std::uint32_t dtype);
/// The LLORCH_DTYPE_* of a type.
std::uint32_t dtype_of(KvType type);
/// "f32", "f16", "q8_0".
const char* kv_type_name(KvType type);

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
  [[nodiscard]] std::int64_t row_bytes() const;   ///< of one row of one head outside of blocks
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
  [[nodiscard]] std::int64_t element_bytes() const;
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
