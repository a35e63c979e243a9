#include "llama/config.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "support/memory_source.hpp"

namespace llorch::llama {
namespace {

using Scaling = common::RopeSettings::Scaling;

/// The keys that every file has, for a model of nearly no size.
struct TinyFile : llorch::testing::MemorySource {
  TinyFile() {
    set("general.architecture", std::string("llama"));
    for (const char* key : {"llama.block_count", "llama.attention.head_count"})
      set(key, std::uint64_t{1});
    for (const char* key : {"llama.embedding_length", "llama.feed_forward_length", "llama.context_length"})
      set(key, std::uint64_t{4});
    set("llama.attention.layer_norm_rms_epsilon", std::uint64_t{1});
    add_tensor("token_embd.weight", {3, 4}, std::vector<float>(12));
  }
  [[nodiscard]] common::RopeSettings rope() const { return read_config(abi::Source(&source())).rope; }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(config)

BOOST_FIXTURE_TEST_CASE(positions_are_not_scaled_where_the_file_says_nothing, TinyFile) {
  BOOST_TEST((rope().scaling == Scaling::kNone));
}

BOOST_FIXTURE_TEST_CASE(a_factor_without_a_type_scales_linearly, TinyFile) {
  set("llama.rope.scaling.factor", std::uint64_t{4});
  BOOST_TEST((rope().scaling == Scaling::kLinear));
  BOOST_TEST(rope().factor == 4.0);
}

BOOST_FIXTURE_TEST_CASE(the_key_of_the_oldest_files_scales_linearly, TinyFile) {
  set("llama.rope.scale_linear", std::uint64_t{4});
  BOOST_TEST((rope().scaling == Scaling::kLinear));
  BOOST_TEST(rope().factor == 4.0);
  set("llama.rope.scaling.factor", std::uint64_t{2});
  BOOST_TEST(rope().factor == 2.0);
}

BOOST_FIXTURE_TEST_CASE(a_factor_of_0_or_the_type_none_scales_nothing, TinyFile) {
  set("llama.rope.scaling.factor", std::uint64_t{0});
  BOOST_TEST((rope().scaling == Scaling::kNone));
  set("llama.rope.scaling.factor", std::uint64_t{4});
  set("llama.rope.scaling.type", std::string("none"));
  BOOST_TEST((rope().scaling == Scaling::kNone));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace llorch::llama
