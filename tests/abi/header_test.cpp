// The header compiles as C99, C11 and C++20 without a warning: the build of this suite does that. Here: its macros.
#include <llorch/llorch_plugin.h>

#include <boost/test/unit_test.hpp>

extern "C" int llorch_test_error_reaches_code(std::uint32_t struct_size);

BOOST_AUTO_TEST_SUITE(header)

BOOST_AUTO_TEST_CASE(a_member_is_there_only_when_the_struct_reaches_its_end) {
  llorch_kv_usage usage{};
  usage.struct_size = 12;
  BOOST_TEST(LLORCH_HAS(&usage, llorch_kv_usage, used_tokens));
  BOOST_TEST(!LLORCH_HAS(&usage, llorch_kv_usage, n_seqs));
  usage.struct_size = 11;
  BOOST_TEST(!LLORCH_HAS(&usage, llorch_kv_usage, used_tokens));
}

BOOST_AUTO_TEST_CASE(the_end_of_the_last_member_leaves_out_padding) {
  // llorch_batch ends in pointers, llorch_error in characters: neither may count what the compiler adds behind.
  BOOST_TEST(LLORCH_END(llorch_error, message) == 512U);
  BOOST_TEST(LLORCH_END(llorch_plugin_info, id) == 16U + 64U);
}

BOOST_AUTO_TEST_CASE(plain_c_sees_the_same_layout) {
  BOOST_TEST(llorch_test_error_reaches_code(7) == 0);
  BOOST_TEST(llorch_test_error_reaches_code(8) == 1);
}

BOOST_AUTO_TEST_SUITE_END()
