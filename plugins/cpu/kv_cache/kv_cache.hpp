// Keys and values of many sequences in the host's memory, laid out for the kernels. One caller at a time, except where
// a function says otherwise.
#pragma once

#include <cstdint>
#include <span>

#include "common/kv/kv_book.hpp"
#include "cpu/base/buffer.hpp"
#include "cpu/kernels/kernel_table.hpp"
#include "cpu/kv_cache/kv_layout.hpp"

namespace llorch::cpu {

/// The blocks of one head in one layer, for AttentionArgs.
struct KvHeadView {
  const unsigned char* k;       // block b: k + b * k_block_stride, laid out as KvLayout says
  const unsigned char* v;       // block b: v + b * v_block_stride
  std::int64_t k_block_stride;  // bytes
  std::int64_t v_block_stride;  // bytes
};

/// A base of the cache, so that there is memory before anything is written about it.
struct KvMemory {
  Buffer memory_;  // K: (n_layers, n_blocks, n_heads) of what KvLayout describes, then V
};

class KvCache final : private KvMemory, public common::KvBook {
 public:
  /// As KvBook. `kernels` round to the types of the cache; every table to the same bits. OUT_OF_MEMORY names the bytes.
  KvCache(const common::KvShape& shape, std::int64_t max_tokens, std::int32_t max_seqs, std::uint64_t fingerprint,
          const KernelTable& kernels = scalar_kernels());
  static std::uint64_t bytes_for(const common::KvShape& shape, std::int64_t max_tokens);
  [[nodiscard]] std::uint64_t bytes() const { return memory_.bytes(); }

  [[nodiscard]] KvHeadView head(std::int64_t layer, std::int64_t head) const;  ///< [any-thread]

  /// Stores n_rows rows of heads [head_begin, head_end) from index `row` of a sequence on, in room that an Append made,
  /// each rounded to the types of the cache for itself.
  /// k, v: (n_rows, n_heads * head_dim), rows `stride` floats apart. [any-thread] for disjoint heads.
  void write(std::int64_t layer, std::int32_t seq, std::int64_t row, std::int64_t n_rows, const float* k,
             const float* v, std::int64_t stride, std::int64_t head_begin, std::int64_t head_end);

 private:
  void copy_block(std::uint32_t from, std::uint32_t to) override;
  void copy_rows(std::span<const Move> moves) override;
  void rotate_keys(std::span<const common::KvPlace> rows, const common::KeyRotation& rotation) override;
  void read_rows(std::int64_t layer, std::span<const common::KvPlace> rows, unsigned char* k,
                 unsigned char* v) const override;
  void write_rows(std::int64_t layer, std::span<const common::KvPlace> rows, const unsigned char* k,
                  const unsigned char* v) override;

  [[nodiscard]] unsigned char* k_at(std::int64_t layer, std::uint32_t block) const;
  [[nodiscard]] unsigned char* v_at(std::int64_t layer, std::uint32_t block) const;
  /// x: (head_dim) scratch.
  void rotate_row(const common::KvPlace& row, const common::KeyRotation& rotation, float* x);
  /// visit(keys of the row's block and head, its values, slot) for the rows in order, head by head.
  template <class Visit>
  void for_each_row(std::int64_t layer, std::span<const common::KvPlace> rows, Visit visit) const;

  const KernelTable& kernels_;
  KvLayout k_layout_, v_layout_;
  std::int64_t k_head_ = 0, v_head_ = 0;    // bytes of one head in one block
  std::int64_t k_block_ = 0, v_block_ = 0;  // bytes of one layer in one block
};

}  // namespace llorch::cpu
