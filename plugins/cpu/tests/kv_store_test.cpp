// Rounding to the types of a cache.
#include <algorithm>

#include "kernel_support.hpp"
#include "kv_support.hpp"

namespace llorch::cpu::testing {
namespace {

float float_of(std::uint32_t bits) {
  return std::bit_cast<float>(bits);
}

/// Every f16 value, the middle between it and the next, and the neighbours of both.
std::vector<float> floats_around_halves() {
  std::vector<float> all;
  for (std::uint32_t half = 0; half < 0x7c00; ++half) {
    const auto low = half_value(static_cast<std::uint16_t>(half));
    const double next = half == 0x7bff ? 65536.0 : half_value(static_cast<std::uint16_t>(half + 1));
    for (const double x : {low, (low + next) / 2}) {
      const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(x));
      for (const std::uint32_t near : {bits, bits + 1, bits == 0 ? 0 : bits - 1}) {
        all.push_back(float_of(near));
        all.push_back(-float_of(near));
      }
    }
  }
  for (const std::uint32_t bits : {0x00000001u, 0x007fffffu, 0x477fe000u, 0x47800000u, 0x7f7fffffu, 0x7f800000u})
    all.insert(all.end(), {float_of(bits), -float_of(bits)});
  return all;
}

/// Parts of ordinary sizes, of sizes where f16 is coarse or ends, and ones that cannot be quantized.
std::vector<std::vector<float>> parts() {
  std::vector<std::vector<float>> all;
  for (int exponent = -40; exponent <= 24; ++exponent) {
    for (std::size_t n = 1; n <= 32; ++n)
      all.push_back(random_floats(n, static_cast<unsigned>(100 * n) + 1, std::ldexp(1.0f, exponent)));
  }
  for (int i = 0; i < 200; ++i)  // scales of few f16 steps
    all.push_back(random_floats(32, static_cast<unsigned>(i), static_cast<float>(i) * 0x1p-21f));
  for (int steps = 1; steps <= 128; ++steps) {  // midway between the largest code and one too many
    all.push_back(random_floats(32, static_cast<unsigned>(steps), 0x1p-26f));
    all.back()[5] = 127.5f * static_cast<float>(steps) * 0x1p-24f;
    all.back()[9] = -all.back()[5];
  }
  all.push_back(std::vector<float>(32, 0.0f));
  all.push_back(std::vector<float>(32, -0.0f));
  for (const std::uint32_t odd : {0x7f800000u, 0xff800000u, 0x7fc00000u, 0xffc00001u, 0x7f7fffffu}) {
    for (const std::size_t at : {0u, 17u, 31u}) {
      all.push_back(random_floats(32, odd));
      all.back()[at] = float_of(odd);
    }
  }
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(kv_store)

BOOST_AUTO_TEST_CASE(every_table_rounds_to_f16_by_its_definition) {
  const auto x = floats_around_halves();
  for (const KernelTable* table : available_kernels()) {
    std::vector<F16> found(x.size());
    table->narrow(x.data(), static_cast<std::int64_t>(x.size()), found.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (found[i].bits == half_bits(x[i])) continue;
      BOOST_TEST(found[i].bits == half_bits(x[i]), table->name << ": " << std::hexfloat << x[i]);
    }
  }
}

BOOST_AUTO_TEST_CASE(every_table_makes_the_same_f16_of_what_is_no_number) {
  for (const std::uint32_t bits : {0x7f800001u, 0x7fc00000u, 0xffc12345u, 0x7fffffffu, 0xff812000u}) {
    const std::vector<float> x(17, float_of(bits));
    std::vector<F16> expected(x.size());
    scalar_kernels().narrow(x.data(), 17, expected.data());
    BOOST_TEST((expected[0].bits & 0x7c00) == 0x7c00);
    BOOST_TEST((expected[0].bits & 0x0200) == 0x0200);
    for (const KernelTable* table : vector_kernels()) {
      std::vector<F16> found(x.size());
      table->narrow(x.data(), 17, found.data());
      for (std::size_t i = 0; i < x.size(); ++i)
        BOOST_TEST(found[i].bits == expected[i].bits, table->name << ", element " << i);
    }
  }
}

BOOST_AUTO_TEST_CASE(narrow_writes_as_many_as_it_is_told) {
  for (const KernelTable* table : available_kernels()) {
    for (std::int64_t n = 0; n <= 33; ++n) {
      const auto x = random_floats(static_cast<std::size_t>(n), 5);
      std::vector<F16> found(static_cast<std::size_t>(n) + 1, F16{0x1234});
      table->narrow(x.data(), n, found.data());
      for (std::size_t i = 0; i < x.size(); ++i)
        BOOST_TEST(found[i].bits == half_bits(x[i]));
      BOOST_TEST(found.back().bits == 0x1234);
    }
  }
}

BOOST_AUTO_TEST_CASE(every_table_quantizes_a_part_by_its_definition) {
  for (const auto& x : parts()) {
    const QuantizedPart expected = quantized(x);
    for (const KernelTable* table : available_kernels()) {
      F16 scale{};
      std::vector<std::int8_t> codes(x.size() + 1, 99);
      table->quantize_part(x.data(), static_cast<std::int64_t>(x.size()), &scale, codes.data());
      BOOST_TEST(scale.bits == expected.scale, table->name << ", first value " << x[0]);
      BOOST_TEST(codes.back() == 99);
      codes.pop_back();
      BOOST_TEST((codes == expected.codes), table->name << ", first value " << x[0]);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_stored_value_is_within_half_a_step_of_the_value) {
  for (const auto& x : parts()) {
    F16 scale{};
    std::vector<std::int8_t> codes(x.size());
    std::vector<F16> halves(x.size());
    available_kernels().back()->quantize_part(x.data(), static_cast<std::int64_t>(x.size()), &scale, codes.data());
    available_kernels().back()->narrow(x.data(), static_cast<std::int64_t>(x.size()), halves.data());
    const double step = half_value(scale.bits);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double value = x[i];
      // The quotient was rounded to f32 before it was rounded to an integer.
      if (!std::isnan(step)) BOOST_TEST(std::abs(step * codes[i] - value) <= step * (0.5 + 0x1p-17));
      if (std::abs(value) >= 65504 || std::isnan(value)) continue;
      BOOST_TEST(std::abs(half_value(halves[i].bits) - value) <= std::max(std::abs(value) * 0x1p-11, 0x1p-25));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace llorch::cpu::testing
