#include "sampling/rows.hpp"

#include <bit>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <limits>
#include <vector>

#include "host/sampling/make_logits.hpp"
#include "sampling/numerics.hpp"

using namespace llorch::sampling;

BOOST_AUTO_TEST_SUITE(sampling_rows)

// Bits, whatever instruction set this machine takes: the expected values come from one element at a time.
BOOST_AUTO_TEST_CASE(weights_have_the_bits_of_the_plain_exponential_at_every_length) {
  for (std::size_t n = 1; n <= 70; ++n) {
    std::vector<float> logits = make_logits(n, n);
    if (n > 3) logits[2] = -std::numeric_limits<float>::infinity();
    const double largest = scan_row(logits).largest;
    std::vector<double> found(n);
    weigh_row(logits, largest, 1.0 / 0.7, found.data());
    for (std::size_t i = 0; i < n; ++i) {
      const double expected = exp_nonpositive((static_cast<double>(logits[i]) - largest) * (1.0 / 0.7));
      BOOST_TEST(std::bit_cast<std::uint64_t>(found[i]) == std::bit_cast<std::uint64_t>(expected),
                 "n " << n << ", element " << i << ": expected " << expected << ", found " << found[i]);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_scan_finds_the_largest_wherever_it_is) {
  for (const std::size_t n : {1U, 31U, 32U, 33U, 64U, 95U, 1000U}) {
    for (std::size_t at = 0; at < n; ++at) {
      std::vector<float> logits(n, -3.5F);
      logits[at] = -0.25F;
      const RowScan scan = scan_row(logits);
      BOOST_TEST(scan.largest == -0.25F, "n " << n << ", place " << at << ": found " << scan.largest);
      BOOST_TEST(scan.sound);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_scan_sees_a_bad_logit_wherever_it_is) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const std::size_t n : {1U, 32U, 33U, 100U}) {
      for (std::size_t at = 0; at < n; ++at) {
        std::vector<float> logits(n, 1.0F);
        logits[at] = bad;
        BOOST_TEST(!scan_row(logits).sound, bad << " at " << at << " of " << n << " was not seen");
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(minus_infinity_is_sound) {
  const std::vector<float> logits(40, -std::numeric_limits<float>::infinity());
  BOOST_TEST(scan_row(logits).sound);
  BOOST_TEST(scan_row(logits).largest == -std::numeric_limits<float>::infinity());
}

BOOST_AUTO_TEST_SUITE_END()
