// A sequence as bytes: header, positions, then K and V of each layer row by row, then a check sum.
#include <vector>

#include "cpu/base/failure.hpp"
#include "cpu/base/hash.hpp"
#include "cpu/kv_cache/kv_cache.hpp"

namespace llorch::cpu {
namespace {

constexpr std::uint64_t kMagic = 0x564b6863726f6c6cu;  // "llorchKV", little-endian
constexpr std::uint32_t kVersion = 1;

struct Header {
  std::uint64_t magic = kMagic;
  std::uint32_t version = kVersion;
  std::uint32_t header_bytes = 0;
  std::uint64_t fingerprint = 0;  // of the model
  std::uint32_t dtype_k = LLORCH_DTYPE_F32, dtype_v = LLORCH_DTYPE_F32;
  std::uint32_t n_layers = 0, n_heads = 0, head_dim = 0, n_rows = 0;
  std::uint64_t body_bytes = 0;  // positions, keys and values
};
static_assert(sizeof(Header) == 56, "no padding: the header is written as it lies");

class Sink {
 public:
  explicit Sink(const llorch_writer& writer) : writer_(writer) {}
  void put(const void* data, std::uint64_t n) {
    hash_ = hash_bytes(hash_, data, n);
    abi::write_all(writer_, data, n);
  }
  void finish() { abi::write_all(writer_, &hash_, sizeof hash_); }

 private:
  const llorch_writer& writer_;
  std::uint64_t hash_ = kHashStart;
};

template <class T>
void expect(const char* what, T expected, T found) {
  if (expected != found) fail(LLORCH_BAD_STATE, "KV state: ", what, ": expected ", expected, ", found ", found);
}

Header header_for(const KvShape& shape, std::uint64_t fingerprint, std::uint64_t n_rows) {
  Header header;
  header.header_bytes = sizeof header;
  header.fingerprint = fingerprint;
  header.n_layers = static_cast<std::uint32_t>(shape.n_layers);
  header.n_heads = static_cast<std::uint32_t>(shape.n_heads);
  header.head_dim = static_cast<std::uint32_t>(shape.head_dim);
  header.n_rows = static_cast<std::uint32_t>(n_rows);
  const auto width = static_cast<std::uint64_t>(shape.n_heads * shape.head_dim);
  header.body_bytes = n_rows * (sizeof(std::int32_t) + 2 * header.n_layers * width * sizeof(float));
  return header;
}

}  // namespace

void KvCache::read_rows(std::int64_t layer, const Sequence& s, float* k, float* v) const {
  const std::int64_t head_dim = shape_.head_dim;
  for (std::size_t i = 0; i < s.positions.size(); ++i) {
    const std::uint32_t block = s.blocks[i / kKvBlock];
    const auto slot = static_cast<std::int64_t>(i % kKvBlock);
    for (std::int64_t h = 0; h < shape_.n_heads; ++h) {
      const float* k_block = k_at(layer, block) + h * k_head_ + slot;
      const float* v_block = v_at(layer, block) + h * v_head_ + slot * kKvBlock;
      for (std::int64_t d = 0; d < head_dim; ++d) {
        *k++ = k_block[d * kKvBlock];
        *v++ = v_block[d / kKvBlock * kKvBlock * kKvBlock + d % kKvBlock];
      }
    }
  }
}

void KvCache::save(std::int32_t seq, const llorch_writer& writer) const {
  check_seq(seq);
  const Sequence& s = at(seq);
  const Header header = header_for(shape_, fingerprint_, s.positions.size());
  const std::size_t layer_floats = s.positions.size() * static_cast<std::size_t>(shape_.n_heads * shape_.head_dim);
  std::vector<float> k(layer_floats);
  std::vector<float> v(layer_floats);
  Sink sink(writer);
  sink.put(&header, sizeof header);
  sink.put(s.positions.data(), sizeof(std::int32_t) * s.positions.size());
  for (std::int64_t layer = 0; layer < shape_.n_layers; ++layer) {
    read_rows(layer, s, k.data(), v.data());
    sink.put(k.data(), sizeof(float) * layer_floats);
    sink.put(v.data(), sizeof(float) * layer_floats);
  }
  sink.finish();
}

void KvCache::load(std::int32_t seq, const llorch_reader& reader) {
  check_seq(seq);
  Header found;
  abi::read_all(reader, &found, sizeof found);
  const Header expected = header_for(shape_, fingerprint_, found.n_rows);
  expect("magic number", expected.magic, found.magic);
  expect("version", expected.version, found.version);
  expect("bytes of the header", expected.header_bytes, found.header_bytes);
  expect("fingerprint of the model", expected.fingerprint, found.fingerprint);
  expect("type of the keys", expected.dtype_k, found.dtype_k);
  expect("type of the values", expected.dtype_v, found.dtype_v);
  expect("layers", expected.n_layers, found.n_layers);
  expect("heads", expected.n_heads, found.n_heads);
  expect("head dimension", expected.head_dim, found.head_dim);
  if (found.n_rows > shape_.max_positions) {
    fail(LLORCH_BAD_STATE, "KV state: rows: expected at most ", shape_.max_positions, ", found ", found.n_rows);
  }
  expect("bytes of the body", expected.body_bytes, found.body_bytes);

  // Space is checked before the body is read, and the body is checked before anything is replaced.
  Sequence& s = at(seq);
  const std::int64_t n_rows = found.n_rows;
  const std::int64_t n_blocks = (n_rows + kKvBlock - 1) / kKvBlock;
  require_free(n_blocks, unshared_blocks(s));

  std::vector<std::int32_t> positions(found.n_rows);
  abi::read_all(reader, positions.data(), sizeof(std::int32_t) * positions.size());
  const std::int64_t width = shape_.n_heads * shape_.head_dim;
  const std::int64_t layer_floats = n_rows * width;
  const FloatBuffer rows(static_cast<std::uint64_t>(2 * shape_.n_layers * layer_floats), "KV state to load");
  std::uint64_t hash = hash_bytes(kHashStart, &found, sizeof found);
  hash = hash_bytes(hash, positions.data(), sizeof(std::int32_t) * positions.size());
  for (std::int64_t piece = 0; piece < 2 * shape_.n_layers; ++piece) {
    float* to = rows.get() + piece * layer_floats;
    const std::uint64_t bytes = sizeof(float) * static_cast<std::uint64_t>(layer_floats);
    abi::read_all(reader, to, bytes);
    hash = hash_bytes(hash, to, bytes);
  }
  std::uint64_t check_sum = 0;
  abi::read_all(reader, &check_sum, sizeof check_sum);
  expect("check sum", hash, check_sum);
  std::int64_t low = 0;
  for (const std::int32_t position : positions) {
    if (position < low || position >= shape_.max_positions) {
      fail(LLORCH_BAD_STATE, "KV state: position: expected ", low, "..", shape_.max_positions - 1, ", found ",
           position);
    }
    low = std::int64_t{position} + 1;
  }

  truncate(s, 0);
  s.positions.insert(s.positions.end(), positions.begin(), positions.end());
  for (std::int64_t b = 0; b < n_blocks; ++b)
    s.blocks.push_back(take_block());
  for (std::int64_t layer = 0; layer < shape_.n_layers; ++layer) {
    const float* k = rows.get() + 2 * layer * layer_floats;
    write(layer, seq, 0, n_rows, k, k + layer_floats, width, 0, shape_.n_heads);
  }
}

}  // namespace llorch::cpu
