#include "common/kv/kv_book.hpp"

#include <algorithm>

#include "common/base/failure.hpp"

namespace llorch::common {

KvBook::KvBook(const KvShape& shape, std::int64_t max_tokens, std::int32_t max_seqs, std::uint64_t fingerprint)
    : shape_(shape),
      fingerprint_(fingerprint),
      n_blocks_(blocks_of(max_tokens)),
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

void KvBook::check_seq(std::int32_t seq) const {
  if (seq < 0 || seq >= max_seqs()) {
    fail(LLORCH_INVALID_ARGUMENT, "sequence id: expected 0..", max_seqs() - 1, ", found ", seq);
  }
}

std::int64_t KvBook::length(std::int32_t seq) const {
  return static_cast<std::int64_t>(at(seq).positions.size());
}

const std::uint32_t* KvBook::blocks(std::int32_t seq) const {
  return at(seq).blocks.data();
}

std::int64_t KvBook::window_begin(std::int32_t seq, std::int64_t row, std::int64_t window) const {
  const auto& all = at(seq).positions;
  if (window == 0) return 0;
  // A sequence may have holes, so rows say nothing of the distance.
  const std::int64_t oldest = all[static_cast<std::size_t>(row)] - window + 1;
  if (all.front() >= oldest) return 0;
  return std::lower_bound(all.begin(), all.begin() + row, oldest) - all.begin();
}

std::int32_t KvBook::first_position(std::int32_t seq) const {
  return at(seq).positions.empty() ? -1 : at(seq).positions.front();
}

std::int32_t KvBook::last_position(std::int32_t seq) const {
  return at(seq).positions.empty() ? -1 : at(seq).positions.back();
}

llorch_kv_usage KvBook::usage() const {
  llorch_kv_usage usage{};
  const auto free_blocks = static_cast<std::int64_t>(free_.size());
  usage.free_tokens = static_cast<std::uint32_t>(free_blocks * kKvBlock);
  usage.used_tokens = static_cast<std::uint32_t>((n_blocks_ - free_blocks) * kKvBlock);
  usage.n_seqs = static_cast<std::uint32_t>(
      std::count_if(sequences_.begin(), sequences_.end(), [](const Sequence& s) { return !s.positions.empty(); }));
  return usage;
}

void KvBook::require_free(std::int64_t n_blocks, std::int64_t released) const {
  const std::int64_t there = static_cast<std::int64_t>(free_.size()) + released;
  if (n_blocks > there) {
    fail(LLORCH_NO_KV_SPACE, "KV cache: ", n_blocks, " blocks of ", kKvBlock, " tokens needed, ", there, " of ",
         n_blocks_, " are free");
  }
}

std::uint32_t KvBook::take_block() {
  const std::uint32_t block = free_.back();
  free_.pop_back();
  references_[block] = 1;
  return block;
}

void KvBook::release_block(std::uint32_t block) {
  if (--references_[block] == 0) free_.push_back(block);
}

void KvBook::truncate(Sequence& s, std::int64_t n_rows) {
  while (static_cast<std::int64_t>(s.blocks.size()) > blocks_of(n_rows)) {
    release_block(s.blocks.back());
    s.blocks.pop_back();
  }
  s.positions.resize(static_cast<std::size_t>(n_rows));
}

void KvBook::make_private(Sequence& s, std::size_t index) {
  const std::uint32_t shared = s.blocks[index];
  if (references_[shared] == 1) return;
  const std::uint32_t own = take_block();
  copy_block(shared, own);
  --references_[shared];
  s.blocks[index] = own;
}

std::int64_t KvBook::unshared_blocks(const Sequence& s) const {
  return std::count_if(s.blocks.begin(), s.blocks.end(), [this](std::uint32_t b) { return references_[b] == 1; });
}

KvBook::Append::Append(KvBook& book, const std::vector<KvRun>& runs) : book_(book) {
  undo_.reserve(runs.size());
  std::int64_t needed = 0;
  for (const KvRun& run : runs) {
    const std::int64_t rows = book.length(run.seq);
    needed += blocks_of(rows + run.n_rows) - blocks_of(rows);
    if (rows % kKvBlock == 0) continue;
    const std::uint32_t last = book.at(run.seq).blocks.back();
    if (book.references_[last] > 1) ++needed;
  }
  book.require_free(needed, 0);
  try {
    for (const KvRun& run : runs)
      add(run);
  } catch (...) {  // no destructor runs for what was not built
    roll_back();
    throw;
  }
}

void KvBook::Append::add(const KvRun& run) {
  Sequence& s = book_.at(run.seq);
  Undo undo;
  undo.seq = run.seq;
  undo.length = book_.length(run.seq);
  if (undo.length % kKvBlock != 0) {
    undo.shared_block = s.blocks.back();
    book_.make_private(s, s.blocks.size() - 1);
    undo.replaced = s.blocks.back() != undo.shared_block;
    // Held until commit(): another sharer in this batch must not come to own the block and write into it.
    if (undo.replaced) ++book_.references_[undo.shared_block];
  }
  undo_.push_back(undo);  // reserved: from here on the undo knows all that happened
  for (std::int64_t i = 0; i < run.n_rows; ++i)
    s.positions.push_back(run.position + static_cast<std::int32_t>(i));
  s.blocks.reserve(static_cast<std::size_t>(blocks_of(undo.length + run.n_rows)));
  while (static_cast<std::int64_t>(s.blocks.size()) < blocks_of(undo.length + run.n_rows)) {
    s.blocks.push_back(book_.take_block());
  }
}

KvBook::Append::~Append() {
  roll_back();
}

void KvBook::Append::roll_back() noexcept {
  for (auto undo = undo_.rbegin(); undo != undo_.rend(); ++undo) {
    Sequence& s = book_.at(undo->seq);
    book_.truncate(s, undo->length);
    if (undo->replaced) {
      book_.release_block(s.blocks.back());
      s.blocks.back() = undo->shared_block;  // with the reference that the undo held
    }
  }
}

void KvBook::Append::commit() {
  for (const Undo& undo : undo_) {
    if (undo.replaced) book_.release_block(undo.shared_block);
  }
  undo_.clear();
}

}  // namespace llorch::common
