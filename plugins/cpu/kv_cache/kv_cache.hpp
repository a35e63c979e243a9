// Keys and values of many sequences in blocks of 16 positions. Blocks are shared between sequences until one of them
// writes. One caller at a time, except where a function says otherwise.
#pragma once

#include <llorch/llorch_plugin.h>

#include <cstdint>
#include <vector>

#include "cpu/base/buffer.hpp"
#include "cpu/kernels/kernel_table.hpp"
#include "cpu/kv_cache/kv_layout.hpp"

namespace llorch::cpu {

struct KvShape {
  std::int64_t n_layers = 0, n_heads = 0, head_dim = 0;
  std::int64_t max_positions = 0;  ///< positions are 0..max_positions-1
  KvType k_type = KvType::kF32, v_type = KvType::kF32;
};

/// New rows of one sequence.
struct KvRun {
  std::int32_t seq = 0;
  std::int32_t position = 0;  ///< of the first row; the others follow without gaps
  std::int64_t n_rows = 0;
};

/// Turns keys of rotary models when their positions change: component 2 i of a head with 2 i + 1, i < n_pairs.
struct KeyRotation {
  const float* cosines;  // (n_pairs)
  const float* sines;    // (n_pairs)
  std::int64_t n_pairs;
};

/// The blocks of one head in one layer, for AttentionArgs.
struct KvHeadView {
  const unsigned char* k;       // block b: k + b * k_block_stride, laid out as KvLayout says
  const unsigned char* v;       // block b: v + b * v_block_stride
  std::int64_t k_block_stride;  // bytes
  std::int64_t v_block_stride;  // bytes
};

class KvCache {
 public:
  /// Capacity is max_tokens rounded up to whole blocks. `fingerprint` is the model's, kept in saved states. `kernels`
  /// round to the types of the cache; every table to the same bits. OUT_OF_MEMORY names the bytes.
  KvCache(const KvShape& shape, std::int64_t max_tokens, std::int32_t max_seqs, std::uint64_t fingerprint,
          const KernelTable& kernels = scalar_kernels());
  static std::uint64_t bytes_for(const KvShape& shape, std::int64_t max_tokens);
  [[nodiscard]] std::uint64_t bytes() const { return memory_.bytes(); }

  [[nodiscard]] const KvShape& shape() const { return shape_; }
  [[nodiscard]] std::int32_t max_seqs() const { return static_cast<std::int32_t>(sequences_.size()); }
  /// INVALID_ARGUMENT unless 0 <= seq < max_seqs. The getters below take checked ids.
  void check_seq(std::int32_t seq) const;
  [[nodiscard]] std::int64_t length(std::int32_t seq) const;          ///< rows held
  [[nodiscard]] const std::uint32_t* blocks(std::int32_t seq) const;  ///< block table
  /// The first row whose position is above that of `row` minus `window`: where a sliding window begins. 0: no window.
  [[nodiscard]] std::int64_t window_begin(std::int32_t seq, std::int64_t row, std::int64_t window) const;
  [[nodiscard]] std::int32_t first_position(std::int32_t seq) const;           ///< -1 when empty
  [[nodiscard]] std::int32_t last_position(std::int32_t seq) const;            ///< -1 when empty
  [[nodiscard]] KvHeadView head(std::int64_t layer, std::int64_t head) const;  ///< [any-thread]
  [[nodiscard]] llorch_kv_usage usage() const;

  /// Room for new rows, taken back by the destructor unless commit() came first: an interrupted forward pass leaves the
  /// cache as it was.
  class Append {
   public:
    /// Each sequence at most once. NO_KV_SPACE when the free blocks do not suffice; the cache is unchanged then.
    Append(KvCache& cache, const std::vector<KvRun>& runs);
    ~Append();
    Append(const Append&) = delete;
    Append& operator=(const Append&) = delete;
    void commit();

   private:
    struct Undo {
      std::int32_t seq = 0;
      std::int64_t length = 0;         // before
      bool replaced = false;           // the shared last block got a private copy
      std::uint32_t shared_block = 0;  // which it was
    };
    void add(const KvRun& run);
    void roll_back() noexcept;
    KvCache& cache_;
    std::vector<Undo> undo_;
  };

  /// Stores n_rows rows of heads [head_begin, head_end) from index `row` of a sequence on, in room that an Append made,
  /// each rounded to the types of the cache for itself.
  /// k, v: (n_rows, n_heads * head_dim), rows `stride` floats apart. [any-thread] for disjoint heads.
  void write(std::int64_t layer, std::int32_t seq, std::int64_t row, std::int64_t n_rows, const float* k,
             const float* v, std::int64_t stride, std::int64_t head_begin, std::int64_t head_end);

  // The operations of the ABI, as llorch_plugin.h states them. Failures leave everything as it was.
  void remove(std::int32_t seq, std::int32_t p0, std::int32_t p1);
  void copy(std::int32_t src, std::int32_t dst, std::int32_t p0, std::int32_t p1);
  /// `rotation`: by delta positions; null for models whose keys do not depend on the position. Turned keys are rounded
  /// to the type of the cache again.
  void shift(std::int32_t seq, std::int32_t p0, std::int32_t p1, std::int32_t delta,
             const KeyRotation* rotation = nullptr);
  void save(std::int32_t seq, const llorch_writer& writer) const;
  void load(std::int32_t seq, const llorch_reader& reader);

 private:
  struct Sequence {
    std::vector<std::uint32_t> blocks;
    std::vector<std::int32_t> positions;  // ascending, one per row
  };
  struct Range {
    std::int64_t begin, end;
    [[nodiscard]] std::int64_t size() const { return end - begin; }
  };

  [[nodiscard]] Sequence& at(std::int32_t seq) { return sequences_[static_cast<std::size_t>(seq)]; }
  [[nodiscard]] const Sequence& at(std::int32_t seq) const { return sequences_[static_cast<std::size_t>(seq)]; }
  [[nodiscard]] unsigned char* k_at(std::int64_t layer, std::uint32_t block) const;
  [[nodiscard]] unsigned char* v_at(std::int64_t layer, std::uint32_t block) const;

  /// NO_KV_SPACE unless n_blocks are free once `released` more are given back.
  void require_free(std::int64_t n_blocks, std::int64_t released) const;
  std::uint32_t take_block();
  void release_block(std::uint32_t block);
  void truncate(Sequence& s, std::int64_t n_rows);
  /// Gives the sequence a copy of its own of block `index` if it is shared; a free block must be there.
  void make_private(Sequence& s, std::size_t index);
  /// Blocks that would become free if the sequence gave up all of its own.
  [[nodiscard]] std::int64_t unshared_blocks(const Sequence& s) const;

  /// Rows of the positions [p0, p1), with the ABI's meaning of negative ends.
  static Range rows_in(const Sequence& s, std::int32_t p0, std::int32_t p1);
  /// x: (head_dim) scratch.
  void rotate_row(const Sequence& s, std::int64_t row, const KeyRotation& rotation, float* x);
  /// The same for all blocks of these rows, of which there is one at least. NO_KV_SPACE: nothing changed.
  void make_private(Sequence& s, const Range& rows);
  void copy_row(const Sequence& from, std::int64_t from_row, const Sequence& to, std::int64_t to_row);
  /// move(keys of the row's block and head, its values, slot) for the rows in order, head by head.
  template <class Move>
  void for_each_row(std::int64_t layer, const Sequence& s, Move move) const;
  /// All rows of one layer as they are stored: (n_rows, n_heads, bytes of a row of a head).
  void read_rows(std::int64_t layer, const Sequence& s, unsigned char* k, unsigned char* v) const;
  void write_rows(std::int64_t layer, const Sequence& s, const unsigned char* k, const unsigned char* v);

  KvShape shape_;
  std::uint64_t fingerprint_;
  std::int64_t n_blocks_ = 0;
  const KernelTable& kernels_;
  KvLayout k_layout_, v_layout_;
  std::int64_t k_head_ = 0, v_head_ = 0;    // bytes of one head in one block
  std::int64_t k_block_ = 0, v_block_ = 0;  // bytes of one layer in one block
  Buffer memory_;                           // K: (n_layers, n_blocks, n_heads) of what KvLayout describes, then V
  std::vector<std::uint32_t> references_;   // per block
  std::vector<std::uint32_t> free_;         // a stack
  std::vector<Sequence> sequences_;
};

}  // namespace llorch::cpu
