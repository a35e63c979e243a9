// What llama2_cuda has in common with llama2_cpu: the text it writes, and the states of its cache.
#include "tested_models.hpp"

namespace utf = boost::unit_test;
using namespace llorch::testing::checkpoints;  // NOLINT(google-build-using-namespace)

namespace {

/// Both plugins with the same model.
struct Pair {
  explicit Pair(const TestedModel& which)
      : on_cpu("llama2_cpu", which.path, which.reference), on_gpu(plugin_name, which.path, which.reference) {}
  ModelUnderTest on_cpu, on_gpu;
};

constexpr KvTypes kCaches[] = {{LLORCH_DTYPE_F32, LLORCH_DTYPE_F32, ", f32"},
                               {LLORCH_DTYPE_F16, LLORCH_DTYPE_F16, ", f16"},
                               {LLORCH_DTYPE_Q8_0, LLORCH_DTYPE_Q8_0, ", q8_0"},
                               {LLORCH_DTYPE_F16, LLORCH_DTYPE_Q8_0, ", f16 and q8_0"}};

/// The largest difference of two sets of logits, as a share of the largest logit.
double difference(const Rows& a, const Rows& b) {
  double largest = 0.0;
  double size = 0.0;
  for (std::size_t row = 0; row < a.size(); ++row) {
    for (std::size_t i = 0; i < a[row].size(); ++i) {
      largest = std::max(largest, std::abs(double{a[row][i]} - double{b[row][i]}));
      size = std::max(size, std::abs(double{b[row][i]}));
    }
  }
  return largest / size;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(beside_llama2_cpu)

BOOST_AUTO_TEST_CASE(the_trained_model_writes_the_same_greedy_text_with_every_cache) {
  const Pair models(every_model.back());
  for (const auto& c : models.on_cpu.reference().cases) {
    for (const KvTypes& types : kCaches) {
      const bool first = &c == models.on_cpu.reference().cases.data();
      if (!kEveryModel && !(first && types.k == LLORCH_DTYPE_F16)) continue;
      if (!first && types.k != LLORCH_DTYPE_F16) continue;  // the emulation takes its time
      const auto wanted = take(
          llorch::checkpoint::decode_greedily(*models.on_cpu.context(1, 1, types), c.prompt_ids, c.greedy_ids.size()));
      const auto found = take(
          llorch::checkpoint::decode_greedily(*models.on_gpu.context(1, 1, types), c.prompt_ids, c.greedy_ids.size()));
      BOOST_TEST_CONTEXT("case " << c.name << types.suffix) {
        BOOST_TEST(found == wanted, boost::test_tools::per_element());
      }
    }
  }
}

BOOST_DATA_TEST_CASE(a_state_saved_by_one_loads_into_the_other_and_comes_back_byte_by_byte, all_models()) {
  const Pair models(sample);
  const auto ids = some_ids(37, models.on_cpu.info().vocab_size);
  for (const KvTypes& types : kCaches) {
    BOOST_TEST_CONTEXT("cache of" << types.suffix) {
      for (const bool from_cpu : {true, false}) {
        const ModelUnderTest& a = from_cpu ? models.on_cpu : models.on_gpu;
        const ModelUnderTest& b = from_cpu ? models.on_gpu : models.on_cpu;
        const auto source = a.context(2, 1, types);
        const auto target = b.context(2, 1, types);
        take(feed(*source, ids, 0, Wanted::kNone));
        succeed(source->kv_seq_remove(0, 3, 5));
        const auto state = take(source->kv_seq_save(0));
        succeed(target->kv_seq_load(1, state));
        BOOST_TEST((take(target->kv_seq_save(1)) == state));
        const std::int32_t next[] = {7};
        const Rows here = take(feed(*source, next, 37, Wanted::kAll, 0));
        const Rows there = take(feed(*target, next, 37, Wanted::kAll, 1));
        BOOST_TEST(difference(there, here) < 5e-3);
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
