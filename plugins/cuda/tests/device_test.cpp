// What kernel.hpp and runtime.hpp promise, on whatever device there is: a GPU or the emulation.
#include <llorch/plugin.hpp>

#include <bit>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <numeric>
#include <random>

#include "cuda/device/switches.hpp"
#include "device.hpp"
#include "device_kernels.hpp"

namespace llorch::cuda::testing {
namespace {

constexpr int kRows = 16, kColumns = 8;

std::vector<float> some_floats(std::size_t n, float low, float high) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> value(low, high);
  std::vector<float> out(n);
  for (float& v : out)
    v = value(random);
  return out;
}

template <class T>
std::vector<T> some_bits(std::size_t n) {
  std::mt19937 random(11);
  std::vector<T> out(n);
  for (T& v : out)
    v = static_cast<T>(random());
  return out;
}

/// Halves or bfloats of small whole numbers, so that every order of summation gives the same float.
std::vector<std::uint16_t> small_numbers(std::size_t n, bool bfloat, std::vector<float>& values) {
  std::mt19937 random(5);
  std::vector<std::uint16_t> out;
  for (std::size_t i = 0; i < n; ++i) {
    const int v = static_cast<int>(random() % 31) - 15;
    values.push_back(static_cast<float>(v));
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(static_cast<float>(v));
    const std::uint32_t magnitude = bits & 0x7fffffffu;
    const auto half = (bits >> 16u & 0x8000u) | (v == 0 ? 0 : (magnitude - (112u << 23u)) >> 13u);
    out.push_back(static_cast<std::uint16_t>(bfloat ? bits >> 16u : half));
  }
  return out;
}

/// d (16, 8) + a (16, k) b (k, 8)
template <class D, class T>
std::vector<D> triple_loop(const std::vector<T>& a, const std::vector<T>& b, std::vector<D> d, int k) {
  for (int row = 0; row < kRows; ++row) {
    for (int column = 0; column < kColumns; ++column) {
      D& sum = d[static_cast<std::size_t>(row * kColumns + column)];
      for (int i = 0; i < k; ++i) {
        sum += static_cast<D>(a[static_cast<std::size_t>(row * k + i)]) *
               static_cast<D>(b[static_cast<std::size_t>(i * kColumns + column)]);
      }
    }
  }
  return d;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(device, *needs_device())

BOOST_AUTO_TEST_CASE(a_device_says_what_it_is) {
  const DeviceList list = list_devices();
  BOOST_TEST(list.reason == "");
  BOOST_TEST(!list.devices.at(0).name.empty());
  BOOST_TEST(list.devices.at(0).total_bytes >= free_device_bytes(kDevice));
  BOOST_TEST(list.devices.at(0).shared_bytes >= 65536u);
  BOOST_TEST(!runtime_version().empty());
}

BOOST_AUTO_TEST_CASE(every_thread_of_the_grid_runs_once) {
  Stream stream(kDevice);
  DeviceMemory out(kDevice, 12 * 64 * 4, "test");
  number_threads(stream, out.as<std::uint32_t>());
  std::vector<std::uint32_t> expected(std::size_t{12} * 64);
  std::iota(expected.begin(), expected.end(), 0u);
  BOOST_TEST(on_host<std::uint32_t>(stream, out, expected.size()) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_barrier_shows_what_other_threads_wrote) {
  Stream stream(kDevice);
  std::vector<std::uint32_t> in = some_bits<std::uint32_t>(128);
  const DeviceMemory from = on_device(stream, in);
  DeviceMemory to(kDevice, from.bytes(), "test");
  reverse_block(stream, from.as<std::uint32_t>(), to.as<std::uint32_t>());
  std::reverse(in.begin(), in.end());
  BOOST_TEST(on_host<std::uint32_t>(stream, to, in.size()) == in, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(shuffles_bring_the_values_of_other_lanes) {
  Stream stream(kDevice);
  const std::vector<float> in = some_floats(32, -1.0f, 1.0f);
  const DeviceMemory from = on_device(stream, in);
  DeviceMemory to(kDevice, 3 * from.bytes(), "test");
  shuffle_all(stream, from.as<float>(), to.as<float>());
  const auto out = on_host<float>(stream, to, 96);
  std::vector<float> sums = in;
  for (std::size_t mask = 16; mask > 0; mask /= 2) {
    const std::vector<float> before = sums;
    for (std::size_t i = 0; i < 32; ++i)
      sums[i] = before[i] + before[i ^ mask];
  }
  for (std::size_t i = 0; i < 32; ++i) {
    BOOST_TEST_CONTEXT("lane " << i) {
      BOOST_TEST(out[i] == in[i ^ 5u]);
      BOOST_TEST(out[32 + i] == in[(3 * i + 1) % 32]);
      BOOST_TEST(out[64 + i] == sums[i]);
    }
  }
}

BOOST_AUTO_TEST_CASE(matrix_instructions_multiply_halves_and_bfloats) {
  Stream stream(kDevice);
  for (const bool bfloat : {false, true}) {
    std::vector<float> a, b;
    const DeviceMemory left = on_device(stream, small_numbers(std::size_t{16} * 16, bfloat, a));
    const DeviceMemory right = on_device(stream, small_numbers(std::size_t{16} * 8, bfloat, b));
    std::vector<float> d(std::size_t{16} * 8);
    std::iota(d.begin(), d.end(), -60.0f);
    const DeviceMemory sum = on_device(stream, d);
    (bfloat ? multiply_bf16 : multiply_f16)(stream, left.as<std::uint16_t>(), right.as<std::uint16_t>(),
                                            sum.as<float>());
    BOOST_TEST_CONTEXT((bfloat ? "bfloat" : "half"))
    BOOST_TEST(on_host<float>(stream, sum, d.size()) == triple_loop(a, b, d, 16), boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(matrix_instructions_multiply_bytes) {
  Stream stream(kDevice);
  for (const int k : {32, 16}) {
    const auto a = some_bits<std::int8_t>(static_cast<std::size_t>(16 * k));
    const auto b = some_bits<std::int8_t>(static_cast<std::size_t>(8 * k));
    std::vector<std::int32_t> d(std::size_t{16} * 8);
    std::iota(d.begin(), d.end(), -1000);
    const DeviceMemory left = on_device(stream, a), right = on_device(stream, b), sum = on_device(stream, d);
    (k == 32 ? multiply_s8 : multiply_s8_k16)(stream, left.as<std::int8_t>(), right.as<std::int8_t>(),
                                              sum.as<std::int32_t>());
    BOOST_TEST_CONTEXT("k " << k)
    BOOST_TEST(on_host<std::int32_t>(stream, sum, d.size()) == triple_loop(a, b, d, k),
               boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(matrices_load_as_the_instructions_take_them) {
  Stream stream(kDevice);
  const auto in = some_bits<std::uint32_t>(128);
  const DeviceMemory from = on_device(stream, in);
  DeviceMemory to(kDevice, from.bytes(), "test");
  load_matrices(stream, from.as<std::uint32_t>(), to.as<std::uint32_t>());
  const auto out = on_host<std::uint32_t>(stream, to, 128);
  for (std::size_t m = 0; m < 4; ++m) {
    for (std::size_t lane = 0; lane < 32; ++lane)
      BOOST_TEST(out[m * 32 + lane] == in[(m * 8 + lane / 4) * 4 + lane % 4], "matrix " << m << ", lane " << lane);
  }
}

BOOST_AUTO_TEST_CASE(asynchronous_copies_are_there_when_waited_for) {
  Stream stream(kDevice);
  const auto in = some_bits<std::uint32_t>(768);
  const DeviceMemory from = on_device(stream, in);
  DeviceMemory to(kDevice, from.bytes(), "test");
  copy_in_groups(stream, from.as<std::uint32_t>(), to.as<std::uint32_t>());
  BOOST_TEST(on_host<std::uint32_t>(stream, to, in.size()) == in, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(functions_are_correctly_rounded_or_near) {
  Stream stream(kDevice);
  std::vector<float> x = some_floats(1018, -80.0f, 80.0f);
  x.insert(x.end(), {0.0f, 1.0f, 0x1p-20f, -0x1.ffcp-15f, 2.5f, 65519.0f});
  const auto n = static_cast<unsigned>(x.size());
  const DeviceMemory from = on_device(stream, x);
  DeviceMemory to(kDevice, kFunctions * from.bytes(), "test");
  apply_functions(stream, from.as<float>(), to.as<float>(), n);
  const auto y = on_host<float>(stream, to, std::size_t{kFunctions} * n);
  for (std::size_t i = 0; i < n; ++i) {
    const float v = x[i];
    const auto of = [&](Function f) { return y[static_cast<std::size_t>(f) * n + i]; };
    BOOST_TEST_CONTEXT("x " << v) {
      const double clamped = std::min(88.0, std::max(-86.0, static_cast<double>(v)));
      BOOST_TEST(of(kExp) == std::exp(clamped), boost::test_tools::tolerance(2e-7));
      BOOST_TEST(of(kSilu) == v / (1 + std::exp(std::min(88.0, -static_cast<double>(v)))),
                 boost::test_tools::tolerance(4e-7));
      BOOST_TEST(of(kSqrt) == std::sqrt(std::fabs(v)));
      BOOST_TEST(of(kReciprocal) == 1.0f / v);
      BOOST_TEST(of(kRound) == std::nearbyint(v));
      if (std::fabs(v) < 65504.0f) {
        const double unit = std::max(0x1p-24, static_cast<double>(std::exp2(std::floor(std::log2(std::fabs(v))) - 10)));
        BOOST_TEST(of(kThroughHalf) == std::nearbyint(v / unit) * unit);
      } else {
        BOOST_TEST(of(kThroughHalf) == 65504.0f);
      }
      BOOST_TEST(std::fabs(of(kThroughBfloat) - v) <= std::fabs(v) / 256);
      volatile float square = v * v;
      BOOST_TEST(of(kNotContracted) == square - 2.0f);
    }
  }
}

BOOST_AUTO_TEST_CASE(bytes_multiply_with_their_signs) {
  Stream stream(kDevice);
  const auto a = some_bits<std::uint32_t>(32);
  std::vector<std::uint32_t> b = a;
  std::reverse(b.begin(), b.end());
  std::vector<std::int32_t> c(32, 100);
  const DeviceMemory left = on_device(stream, a), right = on_device(stream, b), sums = on_device(stream, c);
  dot_bytes(stream, left.as<std::uint32_t>(), right.as<std::uint32_t>(), sums.as<std::int32_t>());
  for (std::size_t i = 0; i < 32; ++i) {
    for (unsigned shift = 0; shift < 32; shift += 8)
      c[i] += static_cast<std::int8_t>(a[i] >> shift) * static_cast<std::int8_t>(b[i] >> shift);
  }
  BOOST_TEST(on_host<std::int32_t>(stream, sums, 32) == c, boost::test_tools::per_element());
}

// ---- streams, memory, graphs ---------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_stream_keeps_the_order_of_copies_fills_and_kernels) {
  Stream stream(kDevice);
  const std::vector<float> ones(64, 1.0f);
  DeviceMemory a(kDevice, 256, "test"), b(kDevice, 256, "test");
  std::vector<float> out(64), zeros(64, 5.0f);
  stream.to_device(a.data(), ones.data(), a.bytes());
  stream.within_device(b.data(), a.data(), a.bytes());
  add_to_all(stream, b.as<float>(), 2.0f, 64);
  stream.to_host(out.data(), b.data(), b.bytes());
  stream.fill(b.data(), 0, b.bytes());
  stream.to_host(zeros.data(), b.data(), b.bytes());
  stream.synchronize();
  BOOST_TEST(out == std::vector<float>(64, 3.0f), boost::test_tools::per_element());
  BOOST_TEST(zeros == std::vector<float>(64, 0.0f), boost::test_tools::per_element());
}

// For a GPU: the emulation runs one kernel after the other, and has tests of its own for what may not be read early.
BOOST_AUTO_TEST_CASE(kernels_that_overlap_see_all_that_the_ones_before_them_wrote) {
  constexpr unsigned kN = 8192, kTurns = 40;  // 256 blocks
  for (const bool overlaps : {false, true}) {
    for (const bool in_graph : {false, true}) {
      Stream stream(kDevice, overlaps);
      std::vector<std::uint32_t> numbers(kN);
      std::iota(numbers.begin(), numbers.end(), 0u);
      const DeviceMemory x = on_device(stream, numbers), y = on_device(stream, numbers);
      const auto all_turns = [&] {
        for (unsigned i = 0; i < kTurns; i += 2) {
          pass_on(stream, x.as<std::uint32_t>(), y.as<std::uint32_t>(), kN);
          pass_on(stream, y.as<std::uint32_t>(), x.as<std::uint32_t>(), kN);
        }
      };
      if (in_graph) {
        const Graph graph = Graph::capture(stream, all_turns);
        graph.launch(stream);
        stream.synchronize();  // before the graph goes
      } else {
        all_turns();
      }
      std::vector<std::uint32_t> expected(kN);
      for (unsigned i = 0; i < kN; ++i)
        expected[i] = (i + kTurns * 33) % kN + kTurns;
      BOOST_TEST(on_host<std::uint32_t>(stream, x, kN) == expected, boost::test_tools::per_element());
    }
  }
}

BOOST_AUTO_TEST_CASE(streams_work_side_by_side_and_move) {
  Stream first(kDevice), second(kDevice);
  const DeviceMemory a = on_device(first, std::vector<float>(32, 1.0f));
  const DeviceMemory b = on_device(second, std::vector<float>(32, 2.0f));
  add_to_all(first, a.as<float>(), 1.0f, 32);
  add_to_all(second, b.as<float>(), 1.0f, 32);
  Stream moved = std::move(first);
  BOOST_TEST(on_host<float>(moved, a, 32) == std::vector<float>(32, 2.0f), boost::test_tools::per_element());
  BOOST_TEST(on_host<float>(second, b, 32) == std::vector<float>(32, 3.0f), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_graph_repeats_copies_and_kernels_with_what_pinned_memory_holds_by_then) {
  Stream stream(kDevice);
  PinnedMemory in(kDevice, 128, "test"), out(kDevice, 128, "test");
  DeviceMemory x(kDevice, 128, "test");
  std::fill_n(out.as<float>(), 32, -1.0f);
  const Graph graph = Graph::capture(stream, [&] {
    stream.to_device(x.data(), in.data(), x.bytes());
    for (int i = 0; i < 3; ++i)
      add_to_all(stream, x.as<float>(), 1.0f, 32);
    stream.to_host(out.data(), x.data(), x.bytes());
  });
  stream.synchronize();
  BOOST_TEST(out.as<float>()[0] == -1.0f, "capturing runs nothing");
  for (const float start : {0.0f, 10.0f, -5.0f}) {
    std::fill_n(in.as<float>(), 32, start);
    graph.launch(stream);
    stream.synchronize();
    BOOST_TEST(out.as<float>()[31] == start + 3.0f);
  }
}

BOOST_AUTO_TEST_CASE(what_a_capture_throws_comes_through_and_the_stream_goes_on) {
  Stream stream(kDevice);
  const DeviceMemory x = on_device(stream, std::vector<float>(32, 1.0f));
  BOOST_CHECK_THROW((void)Graph::capture(stream,
                                         [&] {
                                           add_to_all(stream, x.as<float>(), 1.0f, 32);
                                           throw abi::Failure(LLORCH_INTERNAL, "thought better of it");
                                         }),
                    abi::Failure);
  add_to_all(stream, x.as<float>(), 1.0f, 32);
  BOOST_TEST(on_host<float>(stream, x, 32).at(0) == 2.0f);
}

BOOST_AUTO_TEST_CASE(more_memory_than_there_is_is_refused_with_both_numbers) {
  const std::uint64_t wanted = std::uint64_t{1} << 50u;
  BOOST_CHECK_EXCEPTION(DeviceMemory(kDevice, wanted, "weights"), abi::Failure, [&](const abi::Failure& failure) {
    const std::string what = failure.what();
    BOOST_TEST_MESSAGE(what);
    return failure.status() == LLORCH_OUT_OF_MEMORY && what.find("weights") != std::string::npos &&
           what.find(std::to_string(wanted)) != std::string::npos &&
           what.find(" free on device 0") != std::string::npos;
  });
}

BOOST_AUTO_TEST_CASE(memory_comes_back_when_its_owner_goes) {
  Stream stream(kDevice);
  constexpr std::uint64_t kBytes = std::uint64_t{4} << 20u;
  { const DeviceMemory first(kDevice, kBytes, "test"); }  // whatever the driver takes once
  const std::uint64_t before = free_device_bytes(kDevice);
  for (int i = 0; i < 100; ++i) {
    DeviceMemory memory(kDevice, kBytes, "test");
    stream.fill(memory.data(), 1, memory.bytes());
    DeviceMemory moved = std::move(memory);
  }
  BOOST_TEST(free_device_bytes(kDevice) == before);
}

BOOST_AUTO_TEST_CASE(launches_that_no_device_takes_name_the_kernel) {
  Stream stream(kDevice);
  const auto names_it = [](const abi::Failure& failure) {
    return std::string(failure.what()).find("read_fresh_shared") != std::string::npos;
  };
  DeviceMemory out(kDevice, 4096, "test");
  BOOST_CHECK_EXCEPTION(read_fresh_shared(stream, out.as<std::uint32_t>(), 48), abi::Failure, names_it);
  BOOST_CHECK_EXCEPTION(read_fresh_shared(stream, out.as<std::uint32_t>(), 2048), abi::Failure, names_it);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_CASE(a_switch_is_on_unless_its_variable_says_0_and_refuses_other_words) {
  constexpr const char* kName = "LLORCH_SWITCH_OF_A_TEST";
  BOOST_TEST(switched_on(kName));
  for (const auto& [text, on] : {std::pair{"0", false}, std::pair{"1", true}}) {
    setenv(kName, text, 1);
    BOOST_TEST(switched_on(kName) == on);
  }
  setenv(kName, "off", 1);
  BOOST_CHECK_EXCEPTION((void)switched_on(kName), abi::Failure, [](const abi::Failure& failure) {
    return failure.status() == LLORCH_INVALID_ARGUMENT &&
           std::string(failure.what()) == "LLORCH_SWITCH_OF_A_TEST: expected 0 or 1, found \"off\"";
  });
  unsetenv(kName);
}

BOOST_AUTO_TEST_CASE(without_a_device_there_is_a_reason_and_nothing_breaks) {
  const DeviceList list = list_devices();
  BOOST_TEST(list.devices.empty() == !list.reason.empty());
  BOOST_TEST_MESSAGE(runtime_version() << "; " << list.devices.size() << " devices; " << list.reason);
  if (list.devices.empty()) {
    BOOST_CHECK_THROW(DeviceMemory(0, 16, "test"), abi::Failure);
    BOOST_CHECK_THROW(Stream(0), abi::Failure);
  }
}

}  // namespace llorch::cuda::testing
