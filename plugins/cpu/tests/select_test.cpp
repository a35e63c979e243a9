#include "cpu/kernels/select.hpp"

#include <boost/test/unit_test.hpp>

#include "common/base/failure.hpp"

namespace llorch::cpu {

BOOST_AUTO_TEST_SUITE(instruction_sets)

BOOST_AUTO_TEST_CASE(the_scalar_set_is_always_there_and_comes_first) {
  BOOST_TEST(std::string(available_kernels().front()->name) == "scalar");
}

BOOST_AUTO_TEST_CASE(without_a_wish_the_last_one_is_taken) {
  BOOST_TEST(&select_kernels("") == available_kernels().back());
}

BOOST_AUTO_TEST_CASE(every_available_set_can_be_forced) {
  for (const KernelTable* table : available_kernels())
    BOOST_TEST(&select_kernels(table->name) == table);
}

BOOST_AUTO_TEST_CASE(a_set_that_is_not_there_is_refused_with_the_names_of_those_that_are) {
  BOOST_CHECK_EXCEPTION(select_kernels("avx1024"), common::Failure, [](const common::Failure& failure) {
    const std::string message = failure.what();
    return failure.status() == LLORCH_UNSUPPORTED && message.find("avx1024") != std::string::npos &&
           message.find("scalar") != std::string::npos;
  });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace llorch::cpu
