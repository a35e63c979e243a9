#include "cpu/source/load.hpp"

#include "common/base/failure.hpp"
#include "common/source/tensors.hpp"
#include "kernel_support.hpp"
#include "quant_support.hpp"
#include "support/memory_source.hpp"

namespace llorch::cpu::testing {
namespace {

using common::BlockFormat;
using common::Failure;
using common::weight_tensor;

/// One matrix "w" (rows, columns) of numbers that tell row and column.
struct Fixture {
  Fixture(std::uint64_t rows, std::uint64_t columns) {
    std::vector<float> values(rows * columns);
    for (std::uint64_t i = 0; i < values.size(); ++i) {
      const std::uint64_t row = i / columns;
      values[i] = static_cast<float>(row * 1000 + i % columns);
    }
    memory.add_tensor("w", {rows, columns}, std::move(values));
  }
  [[nodiscard]] llorch_tensor tensor() const { return abi::Source(&memory.source()).tensor("w", {rows(), columns()}); }
  [[nodiscard]] std::uint64_t rows() const { return abi::Source(&memory.source()).find("w")->dims[0]; }
  [[nodiscard]] std::uint64_t columns() const { return abi::Source(&memory.source()).find("w")->dims[1]; }
  llorch::testing::MemorySource memory;
};

llorch_status refuse_to_read(const llorch_source*, std::uint64_t, std::uint64_t, void*, std::uint64_t) {
  return LLORCH_DEVICE_ERROR;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(loading)

BOOST_AUTO_TEST_CASE(packing_puts_rows_into_lanes_and_zeros_into_what_is_left) {
  for (const std::uint64_t rows : {1u, 15u, 16u, 17u, 50u}) {
    for (const std::uint64_t columns : {1u, 16u, 23u}) {
      const Fixture fixture(rows, columns);
      const PackedMatrix packed = load_packed(abi::Source(&fixture.memory.source()), fixture.tensor(), 1);
      const auto* data = static_cast<const float*>(packed.view().data);
      const auto groups = static_cast<std::uint64_t>(packed.view().n_groups());
      BOOST_TEST(packed.bytes() == groups * kLanes * columns * sizeof(float));
      bool right = true;
      for (std::uint64_t i = 0; i < groups * columns * kLanes; ++i) {
        const std::uint64_t row = i / (columns * kLanes) * kLanes + i % kLanes;
        const std::uint64_t column = i / kLanes % columns;
        right = right && data[i] == (row < rows ? static_cast<float>(row * 1000 + column) : 0.0f);
      }
      BOOST_TEST(right, "rows " << rows << ", columns " << columns);
    }
  }
}

BOOST_AUTO_TEST_CASE(many_threads_pack_as_one_does) {
  const Fixture fixture(4000, 300);  // several pieces of a MiB
  const abi::Source source(&fixture.memory.source());
  const PackedMatrix one = load_packed(source, fixture.tensor(), 1);
  const PackedMatrix many = load_packed(source, fixture.tensor(), 3);
  BOOST_TEST(std::memcmp(one.view().data, many.view().data, one.bytes()) == 0);
}

BOOST_AUTO_TEST_CASE(every_quantized_type_loads_packed_and_as_floats) {
  for (const WeightType type : kQuantTypes) {
    const BlockFormat& format = *common::block_format(type);
    const QuantMatrix w(type, 37, 512, 3);
    llorch::testing::MemorySource memory;
    memory.add_tensor("w", {37, 512}, 0x100 + format.gguf_type, w.blocks());
    const abi::Source source(&memory.source());
    const llorch_tensor tensor = weight_tensor(source, "w", {37, 512});
    for (const int threads : {1, 2}) {
      const PackedMatrix packed = load_packed(source, tensor, threads);
      BOOST_TEST(packed.bytes() == packed_bytes(tensor));
      BOOST_TEST(static_cast<int>(packed.view().type) == static_cast<int>(type));
      BOOST_TEST(std::memcmp(packed.view().data, w.view().data, packed.bytes()) == 0, format.name);
    }
    const FloatBuffer floats = load_floats(source, tensor, scalar_kernels());
    BOOST_TEST(same_bits(w.values().data(), floats.get(), w.values().size(), format.name));
  }
}

BOOST_AUTO_TEST_CASE(rows_that_end_within_a_block_and_unknown_types_are_refused) {
  llorch::testing::MemorySource memory;
  memory.add_tensor("short", {2, 48}, 0x100 + 2, std::vector<unsigned char>(2 * 27));
  memory.add_tensor("unknown", {2, 256}, 0x100 + 16, std::vector<unsigned char>(2 * 66));
  const abi::Source source(&memory.source());
  const auto refused = [](llorch_status status, const std::string& word) {
    return [=](const Failure& failure) {
      return failure.status() == status && std::string(failure.what()).find(word) != std::string::npos;
    };
  };
  BOOST_CHECK_EXCEPTION(packed_bytes(weight_tensor(source, "short", {2, 48})), Failure,
                        refused(LLORCH_BAD_MODEL, "short"));
  BOOST_CHECK_EXCEPTION(packed_bytes(weight_tensor(source, "unknown", {2, 256})), Failure,
                        refused(LLORCH_UNSUPPORTED, "IQ4_XS, found type 16"));
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_read_is_an_error_that_names_the_tensor) {
  const Fixture fixture(4000, 300);
  llorch_source broken = fixture.memory.source();
  broken.tensor_read = &refuse_to_read;
  const auto names_it = [](const Failure& failure) {
    return failure.status() == LLORCH_DEVICE_ERROR && std::string(failure.what()).find("tensor w") != std::string::npos;
  };
  for (const int threads : {1, 2}) {
    BOOST_CHECK_EXCEPTION(load_packed(abi::Source(&broken), fixture.tensor(), threads), Failure, names_it);
  }
  BOOST_CHECK_EXCEPTION(load_floats(abi::Source(&broken), fixture.tensor(), scalar_kernels()), Failure, names_it);
}

BOOST_AUTO_TEST_CASE(bytes_that_contradict_the_shape_are_a_bad_model) {
  const Fixture fixture(20, 30);
  llorch_tensor tensor = fixture.tensor();
  tensor.nbytes -= 4;
  BOOST_CHECK_EXCEPTION(packed_bytes(tensor), Failure,
                        [](const Failure& failure) { return failure.status() == LLORCH_BAD_MODEL; });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace llorch::cpu::testing
