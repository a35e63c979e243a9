// The one translation unit that holds Boost.Test's main().
#define BOOST_TEST_MODULE llorch
#include <boost/test/unit_test.hpp>
