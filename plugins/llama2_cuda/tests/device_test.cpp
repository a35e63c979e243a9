// Chooses the plugin before any case runs: the one on the emulation of CUDA, unless LLORCH_TESTED_PLUGIN names another;
// and skips everything where that one has no device.
#include <boost/test/tree/test_case_counter.hpp>
#include <boost/test/tree/traverse.hpp>
#include <cstdio>
#include <cstdlib>

#include "tested_models.hpp"

namespace {

/// The exit code for "nothing could be tested", which ctest knows as skipped.
constexpr int kSkipped = 77;

struct DeviceForAll {
  DeviceForAll() {
    constexpr int kKeep = 0;
    setenv("LLORCH_TESTED_PLUGIN", LLORCH_EMULATED_PLUGIN, kKeep);
    const auto path = llorch::testing::plugin_path(llorch::testing::checkpoints::plugin_name);
    const auto plugin = llorch::testing::take(llorch::plugin::Plugin::load(path));
    if (!plugin->devices().empty()) return;
    namespace utf = boost::unit_test;
    utf::test_case_counter cases;
    utf::traverse_test_tree(utf::framework::master_test_suite(), cases);
    std::printf("skipped: %s finds no device\n%lu test cases skipped themselves\n", path.c_str(),
                static_cast<unsigned long>(cases.p_count));
    std::fflush(stdout);
    std::_Exit(kSkipped);
  }
};

}  // namespace

BOOST_TEST_GLOBAL_FIXTURE(DeviceForAll);
