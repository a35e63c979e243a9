#include "cpu/kv_cache/kv_cache.hpp"

#include <algorithm>
#include <cstring>

#include "cpu/base/failure.hpp"

namespace llorch::cpu {
namespace {

std::int64_t blocks_of(std::int64_t n_rows) {
  return (n_rows + kKvBlock - 1) / kKvBlock;
}

KvLayout keys_of(const KvShape& shape) {
  return {shape.k_type, KvLayout::Order::kKeys, shape.head_dim};
}
KvLayout values_of(const KvShape& shape) {
  return {shape.v_type, KvLayout::Order::kValues, shape.head_dim};
}

}  // namespace

KvCache::KvCache(const KvShape& shape, std::int64_t max_tokens, std::int32_t max_seqs, std::uint64_t fingerprint,
                 const KernelTable& kernels)
    : shape_(shape),
      fingerprint_(fingerprint),
      n_blocks_(blocks_of(max_tokens)),
      kernels_(kernels),
      k_layout_(keys_of(shape)),
      v_layout_(values_of(shape)),
      k_head_(k_layout_.head_bytes()),
      v_head_(v_layout_.head_bytes()),
      k_block_(k_head_ * shape.n_heads),
      v_block_(v_head_ * shape.n_heads),
      memory_(bytes_for(shape, max_tokens), "KV cache"),
      references_(static_cast<std::size_t>(n_blocks_), 0),
      sequences_(static_cast<std::size_t>(max_seqs)) {
  free_.reserve(static_cast<std::size_t>(n_blocks_));
  for (std::int64_t b = n_blocks_; b-- > 0;)
    free_.push_back(static_cast<std::uint32_t>(b));
  // A sequence never outgrows these, so that forward passes do not allocate.
  const std::int64_t most_rows = std::min(shape.max_positions, n_blocks_ * kKvBlock);
  for (Sequence& s : sequences_) {
    s.positions.reserve(static_cast<std::size_t>(most_rows));
    s.blocks.reserve(static_cast<std::size_t>(blocks_of(most_rows)));
  }
}

std::uint64_t KvCache::bytes_for(const KvShape& shape, std::int64_t max_tokens) {
  const char* what = "KV cache";
  const auto per_head = static_cast<std::uint64_t>(keys_of(shape).head_bytes() + values_of(shape).head_bytes());
  const auto heads = static_cast<std::uint64_t>(shape.n_heads * shape.n_layers);
  return checked_product(checked_product(per_head, heads, what), static_cast<std::uint64_t>(blocks_of(max_tokens)),
                         what);
}

void KvCache::check_seq(std::int32_t seq) const {
  if (seq < 0 || seq >= max_seqs()) {
    fail(LLORCH_INVALID_ARGUMENT, "sequence id: expected 0..", max_seqs() - 1, ", found ", seq);
  }
}

std::int64_t KvCache::length(std::int32_t seq) const {
  return static_cast<std::int64_t>(at(seq).positions.size());
}

const std::uint32_t* KvCache::blocks(std::int32_t seq) const {
  return at(seq).blocks.data();
}

std::int64_t KvCache::window_begin(std::int32_t seq, std::int64_t row, std::int64_t window) const {
  const auto& all = at(seq).positions;
  if (window == 0) return 0;
  // A sequence may have holes, so rows say nothing of the distance.
  const std::int64_t oldest = all[static_cast<std::size_t>(row)] - window + 1;
  if (all.front() >= oldest) return 0;
  return std::lower_bound(all.begin(), all.begin() + row, oldest) - all.begin();
}

std::int32_t KvCache::first_position(std::int32_t seq) const {
  return at(seq).positions.empty() ? -1 : at(seq).positions.front();
}

std::int32_t KvCache::last_position(std::int32_t seq) const {
  return at(seq).positions.empty() ? -1 : at(seq).positions.back();
}

unsigned char* KvCache::k_at(std::int64_t layer, std::uint32_t block) const {
  return memory_.as<unsigned char>() + (layer * n_blocks_ + block) * k_block_;
}

unsigned char* KvCache::v_at(std::int64_t layer, std::uint32_t block) const {
  return memory_.as<unsigned char>() + shape_.n_layers * n_blocks_ * k_block_ + (layer * n_blocks_ + block) * v_block_;
}

KvHeadView KvCache::head(std::int64_t layer, std::int64_t head) const {
  return {k_at(layer, 0) + head * k_head_, v_at(layer, 0) + head * v_head_, k_block_, v_block_};
}

llorch_kv_usage KvCache::usage() const {
  llorch_kv_usage usage{};
  const auto free_blocks = static_cast<std::int64_t>(free_.size());
  usage.free_tokens = static_cast<std::uint32_t>(free_blocks * kKvBlock);
  usage.used_tokens = static_cast<std::uint32_t>((n_blocks_ - free_blocks) * kKvBlock);
  usage.n_seqs = static_cast<std::uint32_t>(
      std::count_if(sequences_.begin(), sequences_.end(), [](const Sequence& s) { return !s.positions.empty(); }));
  return usage;
}

void KvCache::require_free(std::int64_t n_blocks, std::int64_t released) const {
  const std::int64_t there = static_cast<std::int64_t>(free_.size()) + released;
  if (n_blocks > there) {
    fail(LLORCH_NO_KV_SPACE, "KV cache: ", n_blocks, " blocks of ", kKvBlock, " tokens needed, ", there, " of ",
         n_blocks_, " are free");
  }
}

std::uint32_t KvCache::take_block() {
  const std::uint32_t block = free_.back();
  free_.pop_back();
  references_[block] = 1;
  return block;
}

void KvCache::release_block(std::uint32_t block) {
  if (--references_[block] == 0) free_.push_back(block);
}

void KvCache::truncate(Sequence& s, std::int64_t n_rows) {
  while (static_cast<std::int64_t>(s.blocks.size()) > blocks_of(n_rows)) {
    release_block(s.blocks.back());
    s.blocks.pop_back();
  }
  s.positions.resize(static_cast<std::size_t>(n_rows));
}

void KvCache::make_private(Sequence& s, std::size_t index) {
  const std::uint32_t shared = s.blocks[index];
  if (references_[shared] == 1) return;
  const std::uint32_t own = take_block();
  for (std::int64_t layer = 0; layer < shape_.n_layers; ++layer) {
    std::memcpy(k_at(layer, own), k_at(layer, shared), static_cast<std::size_t>(k_block_));
    std::memcpy(v_at(layer, own), v_at(layer, shared), static_cast<std::size_t>(v_block_));
  }
  --references_[shared];
  s.blocks[index] = own;
}

std::int64_t KvCache::unshared_blocks(const Sequence& s) const {
  return std::count_if(s.blocks.begin(), s.blocks.end(), [this](std::uint32_t b) { return references_[b] == 1; });
}

KvCache::Append::Append(KvCache& cache, const std::vector<KvRun>& runs) : cache_(cache) {
  undo_.reserve(runs.size());
  std::int64_t needed = 0;
  for (const KvRun& run : runs) {
    const std::int64_t rows = cache.length(run.seq);
    needed += blocks_of(rows + run.n_rows) - blocks_of(rows);
    if (rows % kKvBlock == 0) continue;
    const std::uint32_t last = cache.at(run.seq).blocks.back();
    if (cache.references_[last] > 1) ++needed;
  }
  cache.require_free(needed, 0);
  try {
    for (const KvRun& run : runs)
      add(run);
  } catch (...) {  // no destructor runs for what was not built
    roll_back();
    throw;
  }
}

void KvCache::Append::add(const KvRun& run) {
  Sequence& s = cache_.at(run.seq);
  Undo undo;
  undo.seq = run.seq;
  undo.length = cache_.length(run.seq);
  if (undo.length % kKvBlock != 0) {
    undo.shared_block = s.blocks.back();
    cache_.make_private(s, s.blocks.size() - 1);
    undo.replaced = s.blocks.back() != undo.shared_block;
    // Held until commit(): another sharer in this batch must not come to own the block and write into it.
    if (undo.replaced) ++cache_.references_[undo.shared_block];
  }
  undo_.push_back(undo);  // reserved: from here on the undo knows all that happened
  for (std::int64_t i = 0; i < run.n_rows; ++i)
    s.positions.push_back(run.position + static_cast<std::int32_t>(i));
  s.blocks.reserve(static_cast<std::size_t>(blocks_of(undo.length + run.n_rows)));
  while (static_cast<std::int64_t>(s.blocks.size()) < blocks_of(undo.length + run.n_rows)) {
    s.blocks.push_back(cache_.take_block());
  }
}

KvCache::Append::~Append() {
  roll_back();
}

void KvCache::Append::roll_back() noexcept {
  for (auto undo = undo_.rbegin(); undo != undo_.rend(); ++undo) {
    Sequence& s = cache_.at(undo->seq);
    cache_.truncate(s, undo->length);
    if (undo->replaced) {
      cache_.release_block(s.blocks.back());
      s.blocks.back() = undo->shared_block;  // with the reference that the undo held
    }
  }
}

void KvCache::Append::commit() {
  for (const Undo& undo : undo_) {
    if (undo.replaced) cache_.release_block(undo.shared_block);
  }
  undo_.clear();
}

void KvCache::write(std::int64_t layer, std::int32_t seq, std::int64_t row, std::int64_t n_rows, const float* k,
                    const float* v, std::int64_t stride, std::int64_t head_begin, std::int64_t head_end) {
  const Sequence& s = at(seq);
  const std::int64_t head_dim = shape_.head_dim;
  for (std::int64_t h = head_begin; h < head_end; ++h) {
    for (std::int64_t i = 0; i < n_rows; ++i) {
      const std::uint32_t block = s.blocks[static_cast<std::size_t>((row + i) / kKvBlock)];
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
