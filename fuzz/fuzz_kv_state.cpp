// Saved states of sequences, as every plugin loads them: any bytes become the sequence that they say, and saving it
// gives them again; or they are refused with nothing changed. The first byte says what the cache is and what of the
// state is put right, so that not only the check sum is tried; the state follows.
#include <llorch/plugin.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "common/base/hash.hpp"
#include "common/kv/kv_book.hpp"

namespace {

using namespace llorch::common;
using Bytes = std::vector<unsigned char>;

constexpr std::uint64_t kFingerprint = 0x1234;
constexpr std::int64_t kLayers = 2, kHeads = 2, kHeadDim = 4, kMaxPositions = 40;
constexpr std::size_t kHeaderBytes = 56, kRowsAt = 44, kBodyBytesAt = 48;

enum : unsigned { kRepairHeader = 16, kRepairSum = 32, kSmallPieces = 64, kReaderFails = 128 };

/// A cache in plain memory: rows as they are saved.
class Cache final : public KvBook {
 public:
  explicit Cache(const KvShape& shape)
      : KvBook(shape, /*max_tokens=*/48, /*max_seqs=*/2, kFingerprint),
        k_bytes_(static_cast<std::size_t>(kHeads * kv_row_bytes(shape.k_type, kHeadDim))),
        v_bytes_(static_cast<std::size_t>(kHeads * kv_row_bytes(shape.v_type, kHeadDim))),
        rows_(static_cast<std::size_t>(kLayers * n_blocks() * kKvBlock) * (k_bytes_ + v_bytes_)) {
    for (std::size_t i = 0; i < rows_.size(); ++i)
      rows_[i] = static_cast<unsigned char>(i * 37);
  }

  [[nodiscard]] std::size_t row_bytes() const { return k_bytes_ + v_bytes_; }
  [[nodiscard]] std::size_t k_bytes() const { return k_bytes_; }

 private:
  [[nodiscard]] std::size_t at(std::int64_t layer, const KvPlace& place) const {
    if (layer < 0 || layer >= kLayers || place.block >= n_blocks() || place.slot >= kKvBlock) std::abort();
    return static_cast<std::size_t>((layer * n_blocks() + place.block) * kKvBlock + place.slot) * row_bytes();
  }
  void copy_block(std::uint32_t, std::uint32_t) override { std::abort(); }  // nothing is shared here
  void copy_rows(std::span<const Move>) override { std::abort(); }
  void rotate_keys(std::span<const KvPlace>, const KeyRotation&) override { std::abort(); }
  void read_rows(std::int64_t layer, std::span<const KvPlace> rows, unsigned char* k, unsigned char* v) const override {
    for (const KvPlace& row : rows) {
      const auto from = rows_.begin() + static_cast<std::ptrdiff_t>(at(layer, row));
      k = std::copy_n(from, k_bytes_, k);
      v = std::copy_n(from + static_cast<std::ptrdiff_t>(k_bytes_), v_bytes_, v);
    }
  }
  void write_rows(std::int64_t layer, std::span<const KvPlace> rows, const unsigned char* k,
                  const unsigned char* v) override {
    for (const KvPlace& row : rows) {
      const auto to = rows_.begin() + static_cast<std::ptrdiff_t>(at(layer, row));
      std::copy_n(v, v_bytes_, std::copy_n(k, k_bytes_, to));
      k += k_bytes_;
      v += v_bytes_;
    }
  }

  std::size_t k_bytes_, v_bytes_;
  Bytes rows_;
};

Bytes saved(const Cache& cache, std::int32_t seq) {
  Bytes out;
  const llorch_writer writer{&out, [](void* impl, const void* p, std::uint64_t n) -> std::int64_t {
                               auto& to = *static_cast<Bytes*>(impl);
                               const auto* from = static_cast<const unsigned char*>(p);
                               to.insert(to.end(), from, from + n);
                               return static_cast<std::int64_t>(n);
                             }};
  cache.save(seq, writer);
  return out;
}

struct Reading {
  const Bytes& bytes;
  std::size_t at = 0;
  unsigned flags = 0;

  static std::int64_t read(void* impl, void* p, std::uint64_t n) {
    auto& self = *static_cast<Reading*>(impl);
    std::uint64_t count = std::min<std::uint64_t>(n, self.bytes.size() - self.at);
    if ((self.flags & kSmallPieces) != 0) count = std::min<std::uint64_t>(count, 3);
    if (count == 0) return (self.flags & kReaderFails) != 0 ? -1 : 0;
    std::memcpy(p, self.bytes.data() + self.at, count);
    self.at += count;
    return static_cast<std::int64_t>(count);
  }
};

template <class T>
void put(Bytes& state, std::size_t at, T value) {
  std::memcpy(state.data() + at, &value, sizeof value);
}
std::uint32_t rows_of(const Bytes& state) {
  std::uint32_t n = 0;
  std::memcpy(&n, state.data() + kRowsAt, sizeof n);
  return n;
}

/// Do the positions of a state that was taken ascend within the cache's?
void check_positions(const Bytes& state) {
  std::int32_t low = 0;
  for (std::uint32_t row = 0; row < rows_of(state); ++row) {
    std::int32_t position = 0;
    std::memcpy(&position, state.data() + kHeaderBytes + row * sizeof position, sizeof position);
    if (position < low || position >= kMaxPositions) std::abort();
    low = position + 1;
  }
}

/// The header of a state of this cache, of as many rows as the bytes say.
void repair_header(Bytes& state, const Cache& cache, const Bytes& sound) {
  if (state.size() < kHeaderBytes) return;
  const std::uint32_t n_rows = rows_of(state) % 64;
  std::copy_n(sound.begin(), kHeaderBytes, state.begin());
  put(state, kRowsAt, n_rows);
  put(state, kBodyBytesAt, n_rows * (sizeof(std::int32_t) + kLayers * std::uint64_t{cache.row_bytes()}));
}

/// The check sum of what the header says, where all of that is there.
void repair_sum(Bytes& state, const Cache& cache) {
  if (state.size() < kHeaderBytes) return;
  const std::uint64_t n_rows = rows_of(state);
  std::vector<std::uint64_t> pieces = {kHeaderBytes, n_rows * sizeof(std::int32_t)};
  for (std::int64_t layer = 0; layer < kLayers; ++layer) {
    pieces.push_back(n_rows * cache.k_bytes());
    pieces.push_back(n_rows * (cache.row_bytes() - cache.k_bytes()));
  }
  std::uint64_t hash = kHashStart;
  std::size_t at = 0;
  for (const std::uint64_t bytes : pieces) {
    if (bytes > state.size() - at) return;
    hash = hash_bytes(hash, state.data() + at, bytes);
    at += bytes;
  }
  if (state.size() - at >= sizeof hash) put(state, at, hash);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const unsigned flags = data[0];
  constexpr KvType kTypes[] = {KvType::kF32, KvType::kF16, KvType::kQ8_0, KvType::kF32};
  Cache cache({kLayers, kHeads, kHeadDim, kMaxPositions, kTypes[flags & 3U], kTypes[(flags >> 2U) & 3U]});
  {
    KvBook::Append append(cache, {{0, 7, 3}, {1, 0, 5}});
    append.commit();
  }
  const Bytes before = saved(cache, 0);
  const Bytes other = saved(cache, 1);
  const std::uint32_t free_tokens = cache.usage().free_tokens;

  Bytes state(data + 1, data + size);
  if ((flags & kRepairHeader) != 0) repair_header(state, cache, before);
  if ((flags & kRepairSum) != 0) repair_sum(state, cache);
  Reading reading{state, 0, flags};
  const llorch_reader reader{&reading, &Reading::read};
  try {
    cache.load(0, reader);
    const Bytes again = saved(cache, 0);
    if (reading.at != again.size() || !std::equal(again.begin(), again.end(), state.begin())) std::abort();
    check_positions(again);
  } catch (const llorch::abi::Failure& failure) {
    const llorch_status status = failure.status();
    const bool failed_reader = status == LLORCH_DEVICE_ERROR && (flags & kReaderFails) != 0;
    if (status != LLORCH_BAD_STATE && status != LLORCH_NO_KV_SPACE && !failed_reader) std::abort();
    if (std::strlen(failure.what()) == 0) std::abort();
    if (saved(cache, 0) != before || cache.usage().free_tokens != free_tokens) std::abort();
  }
  if (saved(cache, 1) != other) std::abort();
  return 0;
}
