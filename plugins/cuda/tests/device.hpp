// What the tests of device code share: is there a device, and vectors on it.
#pragma once

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <vector>

#include "cuda/device/runtime.hpp"

namespace llorch::cuda::testing {

inline constexpr int kDevice = 0;

/// For suites: `BOOST_AUTO_TEST_SUITE(name, *needs_device())` skips every case where there is no GPU, and says why.
inline boost::unit_test::precondition needs_device() {
  return boost::unit_test::precondition([](boost::unit_test::test_unit_id) {
    static const DeviceList list = list_devices();
    boost::test_tools::assertion_result here(!list.devices.empty());
    here.message() << "no device: " << list.reason;
    return here;
  });
}

/// Device memory with these elements. Waits until they are there.
template <class T>
DeviceMemory on_device(Stream& stream, const std::vector<T>& elements) {
  DeviceMemory memory(stream.device(), elements.size() * sizeof(T), "test data");
  if (!elements.empty()) stream.to_device(memory.data(), elements.data(), memory.bytes());
  stream.synchronize();
  return memory;
}

/// Waits for the stream, then reads n elements.
template <class T>
std::vector<T> on_host(Stream& stream, const DeviceMemory& memory, std::size_t n) {
  std::vector<T> out(n);
  if (n != 0) stream.to_host(out.data(), memory.data(), n * sizeof(T));
  stream.synchronize();
  return out;
}

}  // namespace llorch::cuda::testing
