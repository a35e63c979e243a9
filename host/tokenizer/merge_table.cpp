#include "tokenizer/merge_table.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace llorch::tokenizer {
namespace {

constexpr std::uint32_t kNoRank = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
constexpr MergeTable::Rule kNoRule{kNoRank, 0};

}  // namespace

void MergeTable::merge(std::span<TokenId> symbols, std::vector<TokenId>& out) const {
  if (symbols.size() <= kMaxShort) {
    merge_short(symbols, out);
  } else {
    merge_long(symbols, out);
  }
}

// Words are short: scanning a handful of ranks beats any queue.
void MergeTable::merge_short(std::span<TokenId> symbols, std::vector<TokenId>& out) const {
  std::size_t count = symbols.size();
  std::array<Rule, kMaxShort> rules;  // rules[i] is about the pair (i, i + 1)
  const auto look_up = [&](std::size_t i) {
    const Rule* rule = find(symbols[i], symbols[i + 1]);
    rules[i] = rule != nullptr ? *rule : kNoRule;
  };
  for (std::size_t i = 0; i + 1 < count; ++i)
    look_up(i);

  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i) {
      if (rules[i].rank < rules[best].rank) best = i;
    }
    if (rules[best].rank == kNoRank) break;
    symbols[best] = rules[best].merged;
    std::copy(symbols.begin() + best + 2, symbols.begin() + count, symbols.begin() + best + 1);
    --count;
    if (best + 1 < count) {
      std::copy(rules.begin() + best + 2, rules.begin() + count, rules.begin() + best + 1);
      look_up(best);
    }
    if (best > 0) look_up(best - 1);
  }
  out.insert(out.end(), symbols.begin(), symbols.begin() + count);
}

// A piece can be a megabyte: a queue of (rank, position) over a linked list of symbols. Entries whose pair has changed
// since are recognised by their rank, and dropped when they surface.
void MergeTable::merge_long(std::span<TokenId> symbols, std::vector<TokenId>& out) const {
  if (symbols.empty()) return;
  struct Link {
    std::uint32_t previous;
    std::uint32_t next;
    Rule rule;  // about the pair (this, next)
  };
  const auto count = static_cast<std::uint32_t>(symbols.size());
  std::vector<Link> links(count);
  std::vector<std::uint64_t> queue;  // rank in the high half, position in the low half: a min-heap
  queue.reserve(count);

  const auto look_up = [&](std::uint32_t at) {
    Link& link = links[at];
    const Rule* rule = link.next == kNone ? nullptr : find(symbols[at], symbols[link.next]);
    link.rule = rule != nullptr ? *rule : kNoRule;
    return rule != nullptr;
  };
  const auto entry = [&](std::uint32_t at) { return (std::uint64_t{links[at].rule.rank} << 32) | at; };

  for (std::uint32_t at = 0; at < count; ++at) {
    links[at].previous = at == 0 ? kNone : at - 1;
    links[at].next = at + 1 == count ? kNone : at + 1;
    if (look_up(at)) queue.push_back(entry(at));
  }
  std::make_heap(queue.begin(), queue.end(), std::greater<>());

  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end(), std::greater<>());
    const std::uint64_t top = queue.back();
    queue.pop_back();
    const auto at = static_cast<std::uint32_t>(top);
    Link& link = links[at];
    if (link.rule.rank != top >> 32) continue;  // the pair has changed, or `at` was merged away

    symbols[at] = link.rule.merged;
    Link& gone = links[link.next];
    gone.rule = kNoRule;
    link.next = gone.next;
    if (link.next != kNone) links[link.next].previous = at;
    const auto requeue = [&](std::uint32_t changed) {
      if (!look_up(changed)) return;
      queue.push_back(entry(changed));
      std::push_heap(queue.begin(), queue.end(), std::greater<>());
    };
    requeue(at);
    if (link.previous != kNone) requeue(link.previous);
  }
  for (std::uint32_t at = 0; at != kNone; at = links[at].next)
    out.push_back(symbols[at]);
}

}  // namespace llorch::tokenizer
