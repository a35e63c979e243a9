// A sequence as bytes: header, positions, then K and V of each layer row by row as they are stored, then a check sum.
#include <string>
#include <vector>

#include "common/base/buffer.hpp"
#include "common/base/failure.hpp"
#include "common/base/hash.hpp"
#include "common/kv/kv_book.hpp"

namespace llorch::common {
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

std::string type_text(std::uint32_t dtype) {
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8_0}) {
    if (dtype_of(type) == dtype) return kv_type_name(type);
  }
  return "type " + std::to_string(dtype);
}

Header header_for(const KvShape& shape, std::uint64_t fingerprint, std::uint64_t n_rows, std::int64_t row_bytes) {
  Header header;
  header.header_bytes = sizeof header;
  header.fingerprint = fingerprint;
  header.n_layers = static_cast<std::uint32_t>(shape.n_layers);
  header.n_heads = static_cast<std::uint32_t>(shape.n_heads);
  header.head_dim = static_cast<std::uint32_t>(shape.head_dim);
  header.n_rows = static_cast<std::uint32_t>(n_rows);
  header.dtype_k = dtype_of(shape.k_type);
  header.dtype_v = dtype_of(shape.v_type);
  const auto layer_bytes = static_cast<std::uint64_t>(shape.n_heads * row_bytes);
  header.body_bytes = n_rows * (sizeof(std::int32_t) + header.n_layers * layer_bytes);
  return header;
}

}  // namespace

void KvBook::save(std::int32_t seq, const llorch_writer& writer) const {
  check_seq(seq);
  const Sequence& s = at(seq);
  const std::int64_t k_row = kv_row_bytes(shape_.k_type, shape_.head_dim);
  const std::int64_t v_row = kv_row_bytes(shape_.v_type, shape_.head_dim);
  const Header header = header_for(shape_, fingerprint_, s.positions.size(), k_row + v_row);
  std::vector<unsigned char> k(s.positions.size() * static_cast<std::size_t>(shape_.n_heads * k_row));
  std::vector<unsigned char> v(s.positions.size() * static_cast<std::size_t>(shape_.n_heads * v_row));
  const std::vector<KvPlace> rows = places(s, {0, length(seq)});
  Sink sink(writer);
  sink.put(&header, sizeof header);
  sink.put(s.positions.data(), sizeof(std::int32_t) * s.positions.size());
  for (std::int64_t layer = 0; layer < shape_.n_layers; ++layer) {
    read_rows(layer, rows, k.data(), v.data());
    sink.put(k.data(), k.size());
    sink.put(v.data(), v.size());
  }
  sink.finish();
}

void KvBook::load(std::int32_t seq, const llorch_reader& reader) {
  check_seq(seq);
  const std::int64_t k_row = kv_row_bytes(shape_.k_type, shape_.head_dim);
  const std::int64_t v_row = kv_row_bytes(shape_.v_type, shape_.head_dim);
  Header found;
  abi::read_all(reader, &found, sizeof found);
  const Header expected = header_for(shape_, fingerprint_, found.n_rows, k_row + v_row);
  expect("magic number", expected.magic, found.magic);
  expect("version", expected.version, found.version);
  expect("bytes of the header", expected.header_bytes, found.header_bytes);
  expect("fingerprint of the model", expected.fingerprint, found.fingerprint);
  expect("type of the keys", type_text(expected.dtype_k), type_text(found.dtype_k));
  expect("type of the values", type_text(expected.dtype_v), type_text(found.dtype_v));
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
  const std::int64_t n_blocks = blocks_of(n_rows);
  require_free(n_blocks, unshared_blocks(s));

  std::vector<std::int32_t> positions(found.n_rows);
  abi::read_all(reader, positions.data(), sizeof(std::int32_t) * positions.size());
  const std::int64_t k_bytes = n_rows * shape_.n_heads * k_row;
  const std::int64_t layer_bytes = k_bytes + n_rows * shape_.n_heads * v_row;
  const Buffer body(static_cast<std::uint64_t>(shape_.n_layers * layer_bytes), "KV state to load");
  std::uint64_t hash = hash_bytes(kHashStart, &found, sizeof found);
  hash = hash_bytes(hash, positions.data(), sizeof(std::int32_t) * positions.size());
  for (std::int64_t layer = 0; layer < shape_.n_layers; ++layer) {
    unsigned char* to = body.as<unsigned char>() + layer * layer_bytes;
    const std::uint64_t pieces[] = {static_cast<std::uint64_t>(k_bytes),
                                    static_cast<std::uint64_t>(layer_bytes - k_bytes)};
    for (const std::uint64_t bytes : pieces) {  // in the pieces of save(), because the hash is one of pieces
      abi::read_all(reader, to, bytes);
      hash = hash_bytes(hash, to, bytes);
      to += bytes;
    }
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
  const std::vector<KvPlace> rows = places(s, {0, n_rows});
  for (std::int64_t layer = 0; layer < shape_.n_layers; ++layer) {
    const unsigned char* k = body.as<unsigned char>() + layer * layer_bytes;
    write_rows(layer, rows, k, k + k_bytes);
  }
}

}  // namespace llorch::common
