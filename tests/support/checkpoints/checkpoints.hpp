// What the checkpoint suites of every plugin share. A plugin's own tested_models.hpp says which plugin and which
// models; each file of this folder is one rung, included by a file of the plugin's tests.
#pragma once

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <initializer_list>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "checkpoint/tolerances.hpp"
#include "support/matches.hpp"
#include "support/model_under_test.hpp"

namespace llorch::testing::checkpoints {

using checkpoint::feed;
using checkpoint::Rows;
using checkpoint::Wanted;
using llorch::testing::KvTypes;
using llorch::testing::matches;
using llorch::testing::ModelUnderTest;
using llorch::testing::same_bytes;
using llorch::testing::some_ids;
using llorch::testing::succeed;
using llorch::testing::take;

struct TestedModel {
  std::string name;
  std::string path;            // relative to the source folder
  std::string reference;       // relative to the source folder
  const char* gguf = nullptr;  // the same model as GGUF, relative to the source folder
  KvTypes kv = {};             // of the contexts that tests make of it
  checkpoint::Tolerances tolerances = {};
};
inline std::ostream& operator<<(std::ostream& out, const TestedModel& model) {
  return out << model.name << model.kv.suffix;
}

/// The rungs below the logits look at the first block only, so that a fault in a higher component cannot show there.
enum class Layers : std::uint8_t { kFirst, kLater, kNone };

/// Every tensor of these taps that the reference has, against what the plugin showed. Fails when it has none.
inline void check_tensors(ModelUnderTest& model, std::initializer_list<std::uint32_t> taps, Layers layers,
                          const checkpoint::Tolerance& tolerance) {
  std::size_t compared = 0;
  for (const checkpoint::ReferenceCase& c : model.reference().cases) {
    for (const checkpoint::ReferenceTensor& expected : c.tensors) {
      if (std::find(taps.begin(), taps.end(), expected.tap) == taps.end()) continue;
      if (layers != (expected.layer < 0 ? Layers::kNone : expected.layer == 0 ? Layers::kFirst : Layers::kLater))
        continue;
      BOOST_TEST_CONTEXT("case " << c.name << ", " << checkpoint::tap_name(expected.tap) << ", layer "
                                 << expected.layer) {
        const auto* event = model.taps(c).only(expected.tap, expected.layer);
        BOOST_REQUIRE_MESSAGE(event != nullptr, "the tap showed this tensor not exactly once");
        const checkpoint::Tensor wanted = take(checkpoint::read_npy(expected.file));
        BOOST_TEST(matches(event->tensor, wanted, tolerance.of(wanted.values)));
      }
      ++compared;
    }
  }
  BOOST_TEST(compared > 0U, "the reference has no such tensor");
}

/// All that can be observed of a sequence: to show that a refused operation changed nothing.
struct Snapshot {
  std::vector<std::byte> state;
  std::optional<std::pair<std::int32_t, std::int32_t>> range;
  std::uint32_t free_tokens, used_tokens, n_seqs;
  bool operator==(const Snapshot&) const = default;

  static Snapshot of(plugin::Context& context, std::int32_t seq = 0) {
    const llorch_kv_usage usage = take(context.kv_usage());
    return {take(context.kv_seq_save(seq)), take(context.kv_seq_range(seq)), usage.free_tokens, usage.used_tokens,
            usage.n_seqs};
  }
};

/// Logits of every row of `ids` fed in one call to an empty context of its own.
inline Rows all_rows(ModelUnderTest& model, std::span<const std::int32_t> ids, std::uint32_t n_threads = 1) {
  return take(feed(*model.context(1, n_threads), ids, 0, Wanted::kAll));
}

}  // namespace llorch::testing::checkpoints
