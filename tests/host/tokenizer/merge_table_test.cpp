// The merge loop.
#include "tokenizer/merge_table.hpp"

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <random>
#include <vector>

namespace llorch::tokenizer {
namespace {

using Ids = std::vector<TokenId>;

// The definition: find the pair of lowest rank, the leftmost of equals, merge it, start over.
Ids merge_by_definition(const MergeTable& table, Ids symbols) {
  for (;;) {
    std::size_t best = symbols.size();
    const MergeTable::Rule* best_rule = nullptr;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const MergeTable::Rule* rule = table.find(symbols[i], symbols[i + 1]);
      if (rule != nullptr && (best_rule == nullptr || rule->rank < best_rule->rank)) {
        best = i;
        best_rule = rule;
      }
    }
    if (best_rule == nullptr) return symbols;
    symbols[best] = best_rule->merged;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

// Random rules over a few symbols, in any order: also such where a later merge makes an earlier one possible.
MergeTable random_table(std::mt19937& random, int symbols, int rules) {
  MergeTable table;
  for (int i = 0; i < rules; ++i) {
    const auto any = [&] { return static_cast<TokenId>(random() % static_cast<unsigned>(symbols + i)); };
    table.set(any(), any(),
              {static_cast<std::uint32_t>(random() % 1000) * 100 + static_cast<std::uint32_t>(i), symbols + i});
  }
  return table;
}

BOOST_AUTO_TEST_SUITE(merge_table)

BOOST_AUTO_TEST_CASE(the_lowest_rank_merges_first_and_the_leftmost_of_equals) {
  MergeTable table;
  table.set(1, 1, {0, 10});
  table.set(10, 1, {1, 11});
  table.set(1, 2, {2, 12});
  for (auto merge : {&MergeTable::merge, &MergeTable::merge_short, &MergeTable::merge_long}) {
    Ids symbols = {1, 1, 1, 2, 1, 2};
    Ids out = {7};
    (table.*merge)(symbols, out);
    BOOST_TEST((out == Ids{7, 11, 2, 12}));
  }
}

BOOST_AUTO_TEST_CASE(no_symbols_give_nothing) {
  const MergeTable table;
  Ids none;
  Ids out;
  table.merge(none, out);
  table.merge_long(none, out);
  BOOST_TEST(out.empty());
}

BOOST_AUTO_TEST_CASE(short_and_long_ways_follow_the_definition) {
  std::mt19937 random(3);
  for (int round = 0; round < 400; ++round) {
    const MergeTable table = random_table(random, 4, static_cast<int>(random() % 30));
    for (int text = 0; text < 10; ++text) {
      Ids symbols(random() % (text < 5 ? MergeTable::kMaxShort + 1 : 200));
      for (TokenId& symbol : symbols)
        symbol = static_cast<TokenId>(random() % 4);
      const Ids expected = merge_by_definition(table, symbols);
      const auto check = [&](auto way) {
        Ids scratch = symbols;
        Ids out;
        (table.*way)(scratch, out);
        BOOST_REQUIRE_EQUAL_COLLECTIONS(out.begin(), out.end(), expected.begin(), expected.end());
      };
      check(&MergeTable::merge);
      check(&MergeTable::merge_long);
      if (symbols.size() <= MergeTable::kMaxShort) check(&MergeTable::merge_short);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_million_symbols_merge_within_seconds) {
  MergeTable table;  // runs of 1, 2, 4, 8 ... 1024 equal symbols
  for (int i = 0; i < 10; ++i)
    table.set(i, i, {static_cast<std::uint32_t>(i), i + 1});
  Ids symbols(1 << 20, 0);
  Ids out;
  const auto start = std::chrono::steady_clock::now();
  table.merge(symbols, out);
  BOOST_TEST((std::chrono::steady_clock::now() - start < std::chrono::seconds(20)));  // quadratic: hours
  BOOST_TEST((out == Ids(1 << 10, 10)));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::tokenizer
