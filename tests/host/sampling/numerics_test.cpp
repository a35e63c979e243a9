#include "sampling/numerics.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

using namespace llorch::sampling;

BOOST_AUTO_TEST_SUITE(sampling_numerics)

BOOST_AUTO_TEST_CASE(exp_is_within_two_ulp_of_the_exact_value) {
  double worst = 0;
  for (double x = 0; x > -690; x -= 0.0137) {
    const long double exact = std::exp(static_cast<long double>(x));
    const double error = std::abs(static_cast<double>((exp_nonpositive(x) - exact) / exact));
    worst = std::max(worst, error);
  }
  BOOST_TEST(worst < 4.0e-16, "largest relative error " << worst);
}

BOOST_AUTO_TEST_CASE(exp_is_exact_at_its_ends) {
  BOOST_TEST(exp_nonpositive(0.0) == 1.0);
  BOOST_TEST(exp_nonpositive(-0.0) == 1.0);
  BOOST_TEST(exp_nonpositive(-700.0) == 0.0);
  BOOST_TEST(exp_nonpositive(-1e300) == 0.0);
  BOOST_TEST(exp_nonpositive(-std::numeric_limits<double>::infinity()) == 0.0);
  BOOST_TEST(exp_nonpositive(-1e-300) == 1.0);
}

BOOST_AUTO_TEST_CASE(exp_never_decreases) {
  double last = exp_nonpositive(-40.0);
  for (double x = -40.0; x <= 0; x += 1.0 / 1024) {
    const double value = exp_nonpositive(x);
    BOOST_REQUIRE_GE(value, last);
    last = value;
  }
}

BOOST_AUTO_TEST_CASE(log_is_within_two_ulp_of_the_exact_value) {
  double worst = 0;
  for (double x = 1.0; x < 1e7; x *= 1.0017) {
    const long double exact = std::log(static_cast<long double>(x));
    const double error = static_cast<double>(std::abs(log_positive(x) - exact) / std::max(exact, 1e-3L));
    worst = std::max(worst, error);
  }
  BOOST_TEST(worst < 4.5e-16, "largest relative error " << worst);
  BOOST_TEST(log_positive(1.0) == 0.0);
}

// Bit patterns, so that a compiler, an option or a machine that computes differently is caught at once.
BOOST_AUTO_TEST_CASE(exp_and_log_give_these_very_bits) {
  const auto bits = [](double x) { return std::bit_cast<std::uint64_t>(x); };
  BOOST_TEST(bits(exp_nonpositive(-1.0)) == 0x3fd78b56362cef38U);
  BOOST_TEST(bits(exp_nonpositive(-0.1)) == 0x3fecf46d99d52b3aU);
  BOOST_TEST(bits(exp_nonpositive(-12.345)) == 0x3ed240572f47cb82U);
  BOOST_TEST(bits(log_positive(2.0)) == 0x3fe62e42fefa39efU);
  BOOST_TEST(bits(log_positive(10.0)) == 0x40026bb1bbb55516U);
  BOOST_TEST(bits(log_positive(50257.0)) == 0x4025a659f6bed8c8U);
}

BOOST_AUTO_TEST_CASE(sums_of_every_length_hold_every_element_once) {
  for (std::size_t n = 0; n < 1100; ++n) {
    std::vector<double> ones(n, 1.0);
    BOOST_REQUIRE_EQUAL(ordered_sum(ones), static_cast<double>(n));
  }
}

BOOST_AUTO_TEST_SUITE_END()
