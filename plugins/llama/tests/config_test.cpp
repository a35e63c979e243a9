#include "llama/config.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <utility>
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

  /// Numbers with a fraction or below 0, beside those that the base class keeps.
  void set_f64(const std::string& key, double value) { fractions_[key] = value; }

  [[nodiscard]] common::RopeSettings rope() const {
    llorch_source with_fractions = source();
    with_fractions.meta_get = &meta_get;
    return read_config(abi::Source(&with_fractions)).rope;
  }

 private:
  static llorch_status meta_get(const llorch_source* source, llorch_str key, llorch_value* out) {
    const auto& self = *static_cast<const TinyFile*>(static_cast<MemorySource*>(source->impl));
    const auto found = self.fractions_.find(std::string(key.data, key.size));
    if (found == self.fractions_.end()) return self.source().meta_get(&self.source(), key, out);
    llorch_value answer{};
    answer.struct_size = out->struct_size;
    answer.type = LLORCH_VALUE_F64;
    answer.u.f64 = found->second;
    std::memcpy(out, &answer, std::min<std::size_t>(out->struct_size, sizeof answer));
    return LLORCH_OK;
  }

  std::map<std::string, double> fractions_;
};

/// One head of 64 whose positions YaRN stretches from 2048 to 8192.
struct YarnFile : TinyFile {
  YarnFile() {
    set("llama.attention.key_length", std::uint64_t{64});
    set("llama.context_length", std::uint64_t{8192});
    set("llama.rope.scaling.type", std::string("yarn"));
    set("llama.rope.scaling.factor", std::uint64_t{4});
    set("llama.rope.scaling.original_context_length", std::uint64_t{2048});
  }
};

constexpr const char* kAttention = "llama.rope.scaling.attn_factor";
constexpr const char* kYarnAttention = "llama.rope.scaling.yarn_attn_factor";
constexpr const char* kExtrapolation = "llama.rope.scaling.yarn_ext_factor";
const double yarns_own_scale = 1.0 + 0.1 * std::log(4.0);

/// How fast some pairs turn, as a share of what they turn without scaling. The pairs that turn 32 times and once in
/// 2048 positions are 8.06 and 20.1: the change-over goes from 8 to 21, and pair 14 is 6/13 along the way.
void check_shares(const TinyFile& file, const std::vector<std::pair<std::size_t, double>>& expected) {
  const common::Rope rope(file.rope());
  BOOST_REQUIRE_EQUAL(rope.frequencies().size(), 32U);
  for (const auto& [pair, share] : expected) {
    const double plain = std::pow(10000.0, -static_cast<double>(pair) / 32.0);
    const double found = double{rope.frequencies()[pair]} / plain;
    BOOST_TEST(std::abs(found / share - 1) < 1e-6, "pair " << pair << ": expected " << share << ", found " << found);
  }
}

void check_scale(const TinyFile& file, double expected) {
  const float found = common::Rope(file.rope()).scale();
  BOOST_TEST(std::abs(double{found} / expected - 1) < 1e-6, "expected " << expected << ", found " << found);
}

void check_refused(const TinyFile& file, llorch_status status, const std::string& words) {
  const auto as_expected = [&](const abi::Failure& failure) {
    BOOST_TEST(failure.status() == status);
    BOOST_TEST(std::string_view(failure.what()).find(words) != std::string_view::npos,
               "expected \"" << words << "\", found \"" << failure.what() << '"');
    return true;
  };
  BOOST_CHECK_EXCEPTION(static_cast<void>(file.rope()), abi::Failure, as_expected);
}

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

BOOST_FIXTURE_TEST_CASE(yarn_turns_fast_pairs_in_full_and_slow_ones_by_the_factor, YarnFile) {
  check_shares(*this, {{0, 1.0}, {8, 1.0}, {14, 34.0 / 52.0}, {21, 0.25}, {31, 0.25}});
  check_scale(*this, yarns_own_scale);
}

BOOST_FIXTURE_TEST_CASE(yarn_ext_factor_is_the_share_of_the_unstretched_turn, YarnFile) {
  set_f64(kExtrapolation, 0.5);
  check_shares(*this, {{0, 0.625}, {8, 0.625}, {14, 47.0 / 104.0}, {21, 0.25}, {31, 0.25}});
  check_scale(*this, yarns_own_scale);
}

BOOST_FIXTURE_TEST_CASE(a_yarn_ext_factor_of_0_makes_yarn_linear_and_takes_its_scale_away, YarnFile) {
  set_f64(kExtrapolation, 0.0);
  check_shares(*this, {{0, 0.25}, {8, 0.25}, {14, 0.25}, {21, 0.25}, {31, 0.25}});
  check_scale(*this, 1.0);
}

BOOST_FIXTURE_TEST_CASE(a_yarn_ext_factor_below_0_is_the_usual_one, YarnFile) {
  set_f64(kExtrapolation, -1.0);
  check_shares(*this, {{0, 1.0}, {14, 34.0 / 52.0}, {31, 0.25}});
  check_scale(*this, yarns_own_scale);
}

BOOST_FIXTURE_TEST_CASE(a_yarn_ext_factor_that_is_no_number_is_refused, YarnFile) {
  set_f64(kExtrapolation, std::nan(""));
  check_refused(*this, LLORCH_BAD_MODEL, "llama.rope.scaling.yarn_ext_factor: expected a finite number, found nan");
}

BOOST_FIXTURE_TEST_CASE(attn_factor_multiplies_what_yarn_scales_by_itself, YarnFile) {
  set_f64(kAttention, 1.5);
  check_scale(*this, 1.5 * yarns_own_scale);
  set_f64(kExtrapolation, 0.0);
  check_scale(*this, 1.5);
}

BOOST_FIXTURE_TEST_CASE(yarn_attn_factor_may_say_again_what_holds_without_it, YarnFile) {
  for (const double value : {1.0, 1.138629}) {
    set_f64(kYarnAttention, value);
    check_scale(*this, yarns_own_scale);
  }
  set_f64(kYarnAttention, 1.5);
  check_refused(*this, LLORCH_UNSUPPORTED,
                "llama.rope.scaling.yarn_attn_factor: expected 1, or 1.13863 (1 + 0.1 ln(factor)), found 1.5");
}

BOOST_FIXTURE_TEST_CASE(settings_that_nothing_here_follows_are_refused_by_key_and_value, YarnFile) {
  for (const std::string key : {"llama.rope.scaling.yarn_log_multiplier", "llama.rope.scaling.alpha"}) {
    set_f64(key, 0.25);
    check_refused(*this, LLORCH_UNSUPPORTED, key + ": expected 0 or no such key, found 0.25");
    set_f64(key, 0.0);
    check_scale(*this, yarns_own_scale);
  }
}

BOOST_FIXTURE_TEST_CASE(that_a_model_was_trained_with_its_scaling_is_a_remark, YarnFile) {
  set("llama.rope.scaling.finetuned", std::uint64_t{1});
  check_scale(*this, yarns_own_scale);
}

BOOST_AUTO_TEST_CASE(settings_of_yarn_are_refused_beside_another_scaling) {
  for (const std::string type : {"none", "linear"}) {
    for (const std::string key : {kAttention, kYarnAttention}) {
      YarnFile file;
      file.set("llama.rope.scaling.type", type);
      file.set_f64(key, 1.0);
      check_scale(file, 1.0);
      file.set_f64(key, 0.5);
      check_refused(file, LLORCH_UNSUPPORTED, key + ": expected 1 or no such key, found 0.5");
    }
    YarnFile file;
    file.set("llama.rope.scaling.type", type);
    file.set_f64(kExtrapolation, -1.0);
    check_scale(file, 1.0);
    file.set_f64(kExtrapolation, 0.5);
    check_refused(file, LLORCH_UNSUPPORTED, "yarn_ext_factor: expected 0 with the scaling " + type + ", found 0.5");
  }
}

BOOST_FIXTURE_TEST_CASE(a_head_that_turns_in_part_is_refused, YarnFile) {
  set("llama.rope.dimension_count", std::uint64_t{64});
  check_scale(*this, yarns_own_scale);
  for (const std::uint64_t part : {2U, 32U, 63U, 65U, 128U}) {
    set("llama.rope.dimension_count", part);
    check_refused(*this, LLORCH_BAD_MODEL,
                  "llama.rope.dimension_count: expected 64, the length of a head, found " + std::to_string(part));
  }
}

BOOST_FIXTURE_TEST_CASE(a_head_of_an_odd_length_is_refused, TinyFile) {
  set("llama.attention.key_length", std::uint64_t{5});
  check_refused(*this, LLORCH_BAD_MODEL, "llama.attention.key_length: expected heads of an even length, found 5");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace llorch::llama
