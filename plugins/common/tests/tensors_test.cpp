#include "common/source/tensors.hpp"

#include <boost/test/unit_test.hpp>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "common/base/failure.hpp"
#include "support/memory_source.hpp"

namespace llorch::common {
namespace {

std::uint64_t fingerprint(std::uint64_t rows, std::uint64_t columns, float changed = 0.0f) {
  std::vector<float> values(rows * columns);
  std::iota(values.begin(), values.end(), changed);
  llorch::testing::MemorySource memory;
  memory.add_tensor("w", {rows, columns}, std::move(values));
  const abi::Source source(&memory.source());
  return fold_fingerprint(source, weight_tensor(source, "w", {rows, columns}), 1);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tensors)

BOOST_AUTO_TEST_CASE(the_fingerprint_changes_with_the_weights_and_with_nothing_else) {
  BOOST_TEST(fingerprint(20, 30) == fingerprint(20, 30));
  BOOST_TEST(fingerprint(20, 30) != fingerprint(20, 31));
  BOOST_TEST(fingerprint(20, 30) != fingerprint(30, 20));
  BOOST_TEST(fingerprint(20, 30) != fingerprint(20, 30, 1.0f));
}

BOOST_AUTO_TEST_CASE(a_tensor_of_another_shape_is_refused_and_one_of_an_unknown_type_by_its_name) {
  llorch::testing::MemorySource memory;
  memory.add_tensor("w", {2, 256}, 0x100 + 16, std::vector<unsigned char>(2 * 66));
  const abi::Source source(&memory.source());
  BOOST_CHECK_EXCEPTION(weight_tensor(source, "w", {256, 2}), Failure,
                        [](const Failure& failure) { return failure.status() == LLORCH_BAD_MODEL; });
  BOOST_CHECK_EXCEPTION(weight_type(weight_tensor(source, "w", {2, 256})), Failure, [](const Failure& failure) {
    return failure.status() == LLORCH_UNSUPPORTED && std::string(failure.what()).find("tensor w") != std::string::npos;
  });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace llorch::common
