// Removing, copying and renumbering what a sequence holds.
#include <algorithm>

#include "common/base/failure.hpp"
#include "common/kv/kv_book.hpp"

namespace llorch::common {

KvBook::Range KvBook::rows_in(const Sequence& s, std::int32_t p0, std::int32_t p1) {
  const auto& all = s.positions;
  const auto begin = p0 < 0 ? all.begin() : std::lower_bound(all.begin(), all.end(), p0);
  const auto end = p1 < 0 ? all.end() : std::lower_bound(begin, all.end(), p1);
  return {begin - all.begin(), end - all.begin()};
}

KvPlace KvBook::place(const Sequence& s, std::int64_t row) {
  return {s.blocks[static_cast<std::size_t>(row / kKvBlock)], static_cast<std::uint32_t>(row % kKvBlock)};
}

std::vector<KvPlace> KvBook::places(const Sequence& s, const Range& rows) {
  std::vector<KvPlace> out;
  out.reserve(static_cast<std::size_t>(rows.size()));
  for (std::int64_t row = rows.begin; row < rows.end; ++row)
    out.push_back(place(s, row));
  return out;
}

void KvBook::make_private(Sequence& s, const Range& rows) {
  const auto first = static_cast<std::size_t>(rows.begin / kKvBlock);
  const auto last = static_cast<std::size_t>((rows.end - 1) / kKvBlock);
  std::int64_t shared = 0;
  for (std::size_t b = first; b <= last; ++b)
    shared += references_[s.blocks[b]] > 1 ? 1 : 0;
  require_free(shared, 0);
  for (std::size_t b = first; b <= last; ++b)
    make_private(s, b);
}

void KvBook::remove(std::int32_t seq, std::int32_t p0, std::int32_t p1) {
  check_seq(seq);
  Sequence& s = at(seq);
  const Range gone = rows_in(s, p0, p1);
  if (gone.size() <= 0) return;
  const std::int64_t n_rows = length(seq);
  if (gone.end == n_rows) {
    truncate(s, gone.begin);
    return;
  }
  // The rows behind the hole move up; the blocks they move into must be the sequence's own.
  const std::int64_t left = n_rows - gone.size();
  make_private(s, {gone.begin, left});
  std::vector<Move> moves;
  moves.reserve(static_cast<std::size_t>(n_rows - gone.end));
  for (std::int64_t row = gone.end; row < n_rows; ++row)
    moves.push_back({place(s, row), place(s, row - gone.size())});
  copy_rows(moves);
  s.positions.erase(s.positions.begin() + gone.begin, s.positions.begin() + gone.end);
  truncate(s, left);
}

void KvBook::copy(std::int32_t src, std::int32_t dst, std::int32_t p0, std::int32_t p1) {
  check_seq(src);
  check_seq(dst);
  if (src == dst)
    fail(LLORCH_INVALID_ARGUMENT, "copy of sequence ", src, ": expected another destination, found itself");
  const Sequence& from = at(src);
  Sequence& to = at(dst);
  const Range range = rows_in(from, p0, p1);
  const std::int64_t n_rows = std::max<std::int64_t>(0, range.size());
  const std::int64_t n_blocks = (n_rows + kKvBlock - 1) / kKvBlock;
  // Rows that do not start a block in src would lie in other lanes in dst: those are copied.
  const bool share = range.begin % kKvBlock == 0;
  if (!share) require_free(n_blocks, unshared_blocks(to));
  truncate(to, 0);
  for (std::int64_t b = 0; b < n_blocks; ++b) {
    if (share) {
      const std::uint32_t block = from.blocks[static_cast<std::size_t>(range.begin / kKvBlock + b)];
      ++references_[block];
      to.blocks.push_back(block);
    } else {
      to.blocks.push_back(take_block());
    }
  }
  std::vector<Move> moves;
  for (std::int64_t row = 0; row < n_rows; ++row) {
    to.positions.push_back(from.positions[static_cast<std::size_t>(range.begin + row)]);
    if (!share) moves.push_back({place(from, range.begin + row), place(to, row)});
  }
  if (!share) copy_rows(moves);
}

void KvBook::shift(std::int32_t seq, std::int32_t p0, std::int32_t p1, std::int32_t delta,
                   const KeyRotation* rotation) {
  check_seq(seq);
  Sequence& s = at(seq);
  const Range range = rows_in(s, p0, p1);
  if (range.size() <= 0) return;
  const auto position = [&](std::int64_t row) { return std::int64_t{s.positions[static_cast<std::size_t>(row)]}; };
  const std::int64_t low = range.begin == 0 ? -1 : position(range.begin - 1);
  const std::int64_t high = range.end == length(seq) ? shape_.max_positions : position(range.end);
  const std::int64_t first = position(range.begin) + delta;
  const std::int64_t last = position(range.end - 1) + delta;
  if (first <= low || last >= high) {
    fail(LLORCH_INVALID_ARGUMENT, "shift of positions ", position(range.begin), "..", position(range.end - 1),
         " of sequence ", seq, " by ", delta, ": expected to stay within ", low + 1, "..", high - 1, ", found ", first,
         "..", last);
  }
  const bool rotates = rotation != nullptr && delta != 0;
  if (rotates) {
    make_private(s, range);  // a copy of the sequence keeps its keys
    rotate_keys(places(s, range), *rotation);
  }
  for (std::int64_t row = range.begin; row < range.end; ++row)
    s.positions[static_cast<std::size_t>(row)] += delta;
}

}  // namespace llorch::common
