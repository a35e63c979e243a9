// Which rows of keys and values each sequence holds and where they lie: blocks of 16 positions, shared between
// sequences until one of them writes. The memory itself is a plugin's, behind a few virtual functions.
#pragma once

#include <llorch/llorch_plugin.h>

#include <cstdint>
#include <span>
#include <vector>

#include "common/kv/kv_types.hpp"
#include "common/rope/rope.hpp"

namespace llorch::common {

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

/// Where a row lies, in every layer: a block and a place 0..kKvBlock-1 within it.
struct KvPlace {
  std::uint32_t block = 0;
  std::uint32_t slot = 0;
};

/// One caller at a time.
class KvBook {
 public:
  /// Capacity is max_tokens rounded up to whole blocks. `fingerprint` is the model's, kept in saved states.
  KvBook(const KvShape& shape, std::int64_t max_tokens, std::int32_t max_seqs, std::uint64_t fingerprint);
  virtual ~KvBook() = default;
  KvBook(const KvBook&) = delete;
  KvBook& operator=(const KvBook&) = delete;

  /// Blocks that hold n_rows rows.
  static std::int64_t blocks_of(std::int64_t n_rows) { return (n_rows + kKvBlock - 1) / kKvBlock; }

  [[nodiscard]] const KvShape& shape() const { return shape_; }
  [[nodiscard]] std::int64_t n_blocks() const { return n_blocks_; }
  [[nodiscard]] std::int32_t max_seqs() const { return static_cast<std::int32_t>(sequences_.size()); }
  /// INVALID_ARGUMENT unless 0 <= seq < max_seqs. The getters below take checked ids.
  void check_seq(std::int32_t seq) const;
  [[nodiscard]] std::int64_t length(std::int32_t seq) const;          ///< rows held
  [[nodiscard]] const std::uint32_t* blocks(std::int32_t seq) const;  ///< block table
  /// The first row whose position is above that of `row` minus `window`: where a sliding window begins. 0: no window.
  [[nodiscard]] std::int64_t window_begin(std::int32_t seq, std::int64_t row, std::int64_t window) const;
  [[nodiscard]] std::int32_t first_position(std::int32_t seq) const;  ///< -1 when empty
  [[nodiscard]] std::int32_t last_position(std::int32_t seq) const;   ///< -1 when empty
  [[nodiscard]] llorch_kv_usage usage() const;

  /// Room for new rows, taken back by the destructor unless commit() came first: an interrupted forward pass leaves the
  /// cache as it was.
  class Append {
   public:
    /// Each sequence at most once. NO_KV_SPACE when the free blocks do not suffice; the cache is unchanged then.
    Append(KvBook& book, const std::vector<KvRun>& runs);
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
    KvBook& book_;
    std::vector<Undo> undo_;
  };

  // The operations of the ABI, as llorch_plugin.h states them. Failures leave everything as it was.
  void remove(std::int32_t seq, std::int32_t p0, std::int32_t p1);
  void copy(std::int32_t src, std::int32_t dst, std::int32_t p0, std::int32_t p1);
  /// `rotation`: by delta positions; null for models whose keys do not depend on the position. Turned keys are rounded
  /// to the type of the cache again.
  void shift(std::int32_t seq, std::int32_t p0, std::int32_t p1, std::int32_t delta,
             const KeyRotation* rotation = nullptr);
  void save(std::int32_t seq, const llorch_writer& writer) const;
  void load(std::int32_t seq, const llorch_reader& reader);

 protected:
  struct Move {
    KvPlace from, to;
  };

 private:
  // What a plugin's memory does. Each concerns all layers, unless it names one, and all heads.
  virtual void copy_block(std::uint32_t from, std::uint32_t to) = 0;
  /// In order: what an earlier move overwrote no later one reads.
  virtual void copy_rows(std::span<const Move> moves) = 0;
  virtual void rotate_keys(std::span<const KvPlace> rows, const KeyRotation& rotation) = 0;
  /// Rows of one layer as they are stored, k and v: (n_rows, n_heads, kv_row_bytes() of the type).
  virtual void read_rows(std::int64_t layer, std::span<const KvPlace> rows, unsigned char* k,
                         unsigned char* v) const = 0;
  virtual void write_rows(std::int64_t layer, std::span<const KvPlace> rows, const unsigned char* k,
                          const unsigned char* v) = 0;

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

  /// NO_KV_SPACE unless n_blocks are free once `released` more are given back.
  void require_free(std::int64_t n_blocks, std::int64_t released) const;
  std::uint32_t take_block();
  void release_block(std::uint32_t block);
  void truncate(Sequence& s, std::int64_t n_rows);
  /// Gives the sequence a copy of its own of block `index` if it is shared; a free block must be there.
  void make_private(Sequence& s, std::size_t index);
  /// The same for all blocks of these rows, of which there is one at least. NO_KV_SPACE: nothing changed.
  void make_private(Sequence& s, const Range& rows);
  /// Blocks that would become free if the sequence gave up all of its own.
  [[nodiscard]] std::int64_t unshared_blocks(const Sequence& s) const;

  /// Rows of the positions [p0, p1), with the ABI's meaning of negative ends.
  static Range rows_in(const Sequence& s, std::int32_t p0, std::int32_t p1);
  static KvPlace place(const Sequence& s, std::int64_t row);
  static std::vector<KvPlace> places(const Sequence& s, const Range& rows);

  KvShape shape_;
  std::uint64_t fingerprint_;
  std::int64_t n_blocks_ = 0;
  std::vector<std::uint32_t> references_;  // per block
  std::vector<std::uint32_t> free_;        // a stack
  std::vector<Sequence> sequences_;
};

}  // namespace llorch::common
