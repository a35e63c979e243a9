#include <boost/test/unit_test.hpp>
#include <cmath>
#include <numbers>

#include "common/base/failure.hpp"
#include "common/rope/rope.hpp"

namespace llorch::common::testing {
namespace {

RopeSettings settings(std::int64_t rotated) {
  RopeSettings s;
  s.rotated = rotated;
  return s;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(rope)

BOOST_AUTO_TEST_CASE(frequencies_fall_from_one_by_the_base) {
  const Rope plain(settings(8));
  const std::vector<float> expected = {1.0f, 0.1f, 0.01f, 0.001f};
  BOOST_REQUIRE_EQUAL(plain.frequencies().size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    BOOST_TEST(std::abs(plain.frequencies()[i] / expected[i] - 1) < 2e-7);
  BOOST_TEST(plain.scale() == 1.0f);
}

BOOST_AUTO_TEST_CASE(linear_scaling_divides_every_frequency) {
  RopeSettings s = settings(6);
  s.scaling = RopeSettings::Scaling::kLinear;
  s.factor = 4;
  for (std::size_t i = 0; i < 3; ++i)
    BOOST_TEST(Rope(s).frequencies()[i] == Rope(settings(6)).frequencies()[i] / 4);
}

BOOST_AUTO_TEST_CASE(divisors_divide_each_its_own) {
  RopeSettings s = settings(6);
  s.divisors = {1.0f, 2.0f, 8.0f};
  for (std::size_t i = 0; i < 3; ++i)
    BOOST_TEST(Rope(s).frequencies()[i] == Rope(settings(6)).frequencies()[i] / s.divisors[i]);
}

BOOST_AUTO_TEST_CASE(yarn_keeps_fast_pairs_stretches_slow_ones_and_scales_all) {
  RopeSettings s = settings(64);
  s.scaling = RopeSettings::Scaling::kYarn;
  s.factor = 4;
  s.original_context = 2048;
  const Rope yarn(s);
  const Rope plain(settings(64));
  BOOST_TEST(yarn.frequencies().front() == plain.frequencies().front());
  BOOST_TEST(std::abs(yarn.frequencies().back() / plain.frequencies().back() * 4 - 1) < 2e-7);
  for (std::size_t i = 0; i < 32; ++i) {
    const float ratio = yarn.frequencies()[i] / plain.frequencies()[i];
    BOOST_TEST((ratio >= 0.2499f && ratio <= 1.0f), "pair " << i << ": " << ratio);
  }
  BOOST_TEST(std::abs(yarn.scale() - (1 + 0.1 * std::log(4.0))) < 1e-6);
}

BOOST_AUTO_TEST_CASE(a_divisor_of_zero_is_a_bad_model) {
  RopeSettings s = settings(4);
  s.divisors = {1.0f, 0.0f};
  BOOST_CHECK_EXCEPTION(Rope{s}, Failure, [](const Failure& f) { return f.status() == LLORCH_BAD_MODEL; });
}

BOOST_AUTO_TEST_CASE(two_turns_add_up_to_one) {
  const Rope plain(settings(20));
  const Turn turn = plain.turn(7);
  const KeyRotation by_seven = turn.view();
  for (const std::int64_t position : {0, 1, 5, 1000}) {
    std::vector<float> from(20), from_sines(20), to(20), to_sines(20);
    plain.angles(position, from.data(), from_sines.data());
    plain.angles(position + 7, to.data(), to_sines.data());
    for (std::size_t i = 0; i < 10; ++i) {
      const double cosine =
          double{from[2 * i]} * by_seven.cosines[i] - double{from_sines[2 * i + 1]} * by_seven.sines[i];
      BOOST_TEST(std::abs(cosine - to[2 * i]) < 1e-4, "position " << position << ", pair " << i);
      BOOST_TEST(to_sines[2 * i] == -to_sines[2 * i + 1]);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace llorch::common::testing
