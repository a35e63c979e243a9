#include "cpu/kv_cache/kv_cache.hpp"

#include <cstring>
#include <vector>

namespace llorch::cpu {
namespace {

KvLayout keys_of(const common::KvShape& shape) {
  return {shape.k_type, KvLayout::Order::kKeys, shape.head_dim};
}
KvLayout values_of(const common::KvShape& shape) {
  return {shape.v_type, KvLayout::Order::kValues, shape.head_dim};
}

}  // namespace

KvCache::KvCache(const common::KvShape& shape, std::int64_t max_tokens, std::int32_t max_seqs,
                 std::uint64_t fingerprint, const KernelTable& kernels)
    : KvMemory{Buffer(bytes_for(shape, max_tokens), "KV cache")},
      KvBook(shape, max_tokens, max_seqs, fingerprint),
      kernels_(kernels),
      k_layout_(keys_of(shape)),
      v_layout_(values_of(shape)),
      k_head_(k_layout_.head_bytes()),
      v_head_(v_layout_.head_bytes()),
      k_block_(k_head_ * shape.n_heads),
      v_block_(v_head_ * shape.n_heads) {}

std::uint64_t KvCache::bytes_for(const common::KvShape& shape, std::int64_t max_tokens) {
  const char* what = "KV cache";
  const auto per_head = static_cast<std::uint64_t>(keys_of(shape).head_bytes() + values_of(shape).head_bytes());
  const auto heads = static_cast<std::uint64_t>(shape.n_heads * shape.n_layers);
  return checked_product(checked_product(per_head, heads, what), static_cast<std::uint64_t>(blocks_of(max_tokens)),
                         what);
}

unsigned char* KvCache::k_at(std::int64_t layer, std::uint32_t block) const {
  return memory_.as<unsigned char>() + (layer * n_blocks() + block) * k_block_;
}

unsigned char* KvCache::v_at(std::int64_t layer, std::uint32_t block) const {
  return memory_.as<unsigned char>() + shape().n_layers * n_blocks() * k_block_ +
         (layer * n_blocks() + block) * v_block_;
}

KvHeadView KvCache::head(std::int64_t layer, std::int64_t head) const {
  return {k_at(layer, 0) + head * k_head_, v_at(layer, 0) + head * v_head_, k_block_, v_block_};
}

void KvCache::copy_block(std::uint32_t from, std::uint32_t to) {
  for (std::int64_t layer = 0; layer < shape().n_layers; ++layer) {
    std::memcpy(k_at(layer, to), k_at(layer, from), static_cast<std::size_t>(k_block_));
    std::memcpy(v_at(layer, to), v_at(layer, from), static_cast<std::size_t>(v_block_));
  }
}

void KvCache::copy_rows(std::span<const Move> moves) {
  alignas(float) unsigned char part[KvLayout::kLargestPart];
  for (const auto& [from, to] : moves) {
    for (std::int64_t layer = 0; layer < shape().n_layers; ++layer) {
      for (std::int64_t h = 0; h < shape().n_heads; ++h) {
        for (std::int64_t d = 0; d < shape().head_dim; d += kKvPart) {
          k_layout_.get(k_at(layer, from.block) + h * k_head_, from.slot, d, part);
          k_layout_.put(k_at(layer, to.block) + h * k_head_, to.slot, d, part);
          v_layout_.get(v_at(layer, from.block) + h * v_head_, from.slot, d, part);
          v_layout_.put(v_at(layer, to.block) + h * v_head_, to.slot, d, part);
        }
      }
    }
  }
}

void KvCache::rotate_keys(std::span<const common::KvPlace> rows, const common::KeyRotation& rotation) {
  std::vector<float> x(static_cast<std::size_t>(shape().head_dim));
  for (const common::KvPlace& row : rows)
    rotate_row(row, rotation, x.data());
}

void KvCache::rotate_row(const common::KvPlace& row, const common::KeyRotation& rotation, float* x) {
  const std::int64_t rotated = 2 * rotation.n_pairs;
  for (std::int64_t layer = 0; layer < shape().n_layers; ++layer) {
    for (std::int64_t h = 0; h < shape().n_heads; ++h) {
      unsigned char* k = k_at(layer, row.block) + h * k_head_;
      for (std::int64_t d = 0; d < rotated; d += kKvPart)
        k_layout_.fetch(kernels_, k, row.slot, d, x);
      for (std::int64_t i = 0; i < rotation.n_pairs; ++i) {
        const float first = x[2 * i];
        const float second = x[2 * i + 1];
        x[2 * i] = first * rotation.cosines[i] - second * rotation.sines[i];
        x[2 * i + 1] = second * rotation.cosines[i] + first * rotation.sines[i];
      }
      for (std::int64_t d = 0; d < rotated; d += kKvPart)
        k_layout_.store(kernels_, k, row.slot, d, x);
    }
  }
}

template <class Visit>
void KvCache::for_each_row(std::int64_t layer, std::span<const common::KvPlace> rows, Visit visit) const {
  for (const common::KvPlace& row : rows) {
    for (std::int64_t h = 0; h < shape().n_heads; ++h)
      visit(k_at(layer, row.block) + h * k_head_, v_at(layer, row.block) + h * v_head_, row.slot);
  }
}

void KvCache::read_rows(std::int64_t layer, std::span<const common::KvPlace> rows, unsigned char* k,
                        unsigned char* v) const {
  for_each_row(layer, rows, [&](const unsigned char* k_block, const unsigned char* v_block, std::int64_t slot) {
    k_layout_.get_row(k_block, slot, k);
    v_layout_.get_row(v_block, slot, v);
    k += k_layout_.row_bytes();
    v += v_layout_.row_bytes();
  });
}

void KvCache::write_rows(std::int64_t layer, std::span<const common::KvPlace> rows, const unsigned char* k,
                         const unsigned char* v) {
  for_each_row(layer, rows, [&](unsigned char* k_block, unsigned char* v_block, std::int64_t slot) {
    k_layout_.put_row(k_block, slot, k);
    v_layout_.put_row(v_block, slot, v);
    k += k_layout_.row_bytes();
    v += v_layout_.row_bytes();
  });
}

void KvCache::write(std::int64_t layer, std::int32_t seq, std::int64_t row, std::int64_t n_rows, const float* k,
                    const float* v, std::int64_t stride, std::int64_t head_begin, std::int64_t head_end) {
  const std::uint32_t* table = blocks(seq);
  const std::int64_t head_dim = shape().head_dim;
  for (std::int64_t h = head_begin; h < head_end; ++h) {
    for (std::int64_t i = 0; i < n_rows; ++i) {
      const std::uint32_t block = table[(row + i) / kKvBlock];
      const std::int64_t slot = (row + i) % kKvBlock;
      const float* k_row = k + i * stride + h * head_dim;
      const float* v_row = v + i * stride + h * head_dim;
      unsigned char* k_head = k_at(layer, block) + h * k_head_;
      unsigned char* v_head = v_at(layer, block) + h * v_head_;
      for (std::int64_t d = 0; d < head_dim; d += kKvPart) {
        k_layout_.store(kernels_, k_head, slot, d, k_row);
        v_layout_.store(kernels_, v_head, slot, d, v_row);
      }
    }
  }
}

}  // namespace llorch::cpu
