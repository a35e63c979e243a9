// Where plugins are looked for, and which files a bare name may reach.
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>

#include "plugin/plugin.hpp"
#include "support/temporary_directory.hpp"

namespace fs = std::filesystem;
using llorch::ErrorCode;
using llorch::plugin::find_plugin;
using llorch::plugin::list_plugins;
using llorch::plugin::search_directories;
using llorch::testing::TemporaryDirectory;

BOOST_AUTO_TEST_SUITE(search)

BOOST_AUTO_TEST_CASE(the_given_directory_comes_before_the_one_beside_the_executable) {
  const auto directories = search_directories("given");
  BOOST_REQUIRE_GE(directories.size(), 2U);
  BOOST_TEST(directories[0].string() == "given");
  BOOST_TEST(directories[1].string() == LLORCH_BINARY_DIR "/lib/llorch/plugins");
  BOOST_TEST(search_directories({}).front().string() == LLORCH_BINARY_DIR "/lib/llorch/plugins");
}

BOOST_AUTO_TEST_CASE(a_bare_name_is_found_with_and_without_its_suffix) {
  const TemporaryDirectory dir;
  const fs::path file = dir.write("mine.so", "");
  for (const char* name : {"mine", "mine.so"}) {
    const auto found = find_plugin(name, dir.path());
    BOOST_REQUIRE_MESSAGE(found, found.error().message);
    BOOST_TEST(found->string() == file.string());
  }
}

BOOST_AUTO_TEST_CASE(a_missing_name_lists_every_directory_that_was_searched) {
  const TemporaryDirectory dir;
  const auto found = find_plugin("ghost", dir.path());
  BOOST_REQUIRE(!found);
  BOOST_TEST((found.error().code == ErrorCode::kNotFound));
  for (const auto& directory : search_directories(dir.path())) {
    BOOST_TEST(found.error().message.find(directory.string()) != std::string::npos, found.error().message);
  }
  BOOST_TEST(!find_plugin("", dir.path()).has_value());
}

BOOST_AUTO_TEST_CASE(a_path_is_taken_as_given_wherever_it_leads) {
  const TemporaryDirectory dir;
  const fs::path file = dir.write("mine.so", "");
  BOOST_TEST(find_plugin(file.string(), {}).value().string() == file.string());
  const auto missing = find_plugin((dir.path() / "ghost.so").string(), {});
  BOOST_REQUIRE(!missing);
  BOOST_TEST((missing.error().code == ErrorCode::kNotFound));
}

BOOST_AUTO_TEST_CASE(a_link_that_leads_out_of_the_directory_is_refused_and_one_within_it_is_not) {
  const TemporaryDirectory outside;
  const TemporaryDirectory dir;
  fs::create_symlink(outside.write("far.so", ""), dir.path() / "escape.so");
  const auto escaped = find_plugin("escape", dir.path());
  BOOST_REQUIRE(!escaped);
  BOOST_TEST(escaped.error().message.find("outside the plugin directory") != std::string::npos,
             escaped.error().message);
  dir.write("near.so.1", "");
  fs::create_symlink("near.so.1", dir.path() / "near.so");
  BOOST_TEST(find_plugin("near", dir.path()).has_value());
}

BOOST_AUTO_TEST_CASE(a_link_that_leads_out_is_not_loaded_from_the_list_either) {
  const TemporaryDirectory outside;
  const TemporaryDirectory dir;
  fs::create_symlink(outside.write("far.so", ""), dir.path() / "escape.so");
  const auto loaded = llorch::plugin::load_listed(dir.path() / "escape.so");
  BOOST_REQUIRE(!loaded);
  BOOST_TEST(loaded.error().message.find("outside the plugin directory") != std::string::npos, loaded.error().message);
}

BOOST_AUTO_TEST_CASE(a_dangling_link_is_an_error_not_a_miss) {
  const TemporaryDirectory dir;
  fs::create_symlink("nowhere.so", dir.path() / "dangling.so");
  BOOST_TEST(!find_plugin("dangling", dir.path()).has_value());
}

BOOST_AUTO_TEST_CASE(the_list_is_sorted_holds_shared_objects_only_and_each_name_once) {
  const TemporaryDirectory dir;
  dir.write("b.so", "");
  dir.write("a.so", "");
  dir.write("c.txt", "");
  dir.write("gpt2_cpu.so", "");  // hides the installed one of the same name
  std::vector<std::string> names;
  for (const auto& path : list_plugins(dir.path())) {
    if (path.parent_path() == dir.path()) names.push_back(path.filename().string());
    BOOST_TEST((path.filename() != "gpt2_cpu.so" || path.parent_path() == dir.path()));
  }
  const std::vector<std::string> expected{"a.so", "b.so", "gpt2_cpu.so"};
  BOOST_TEST(names == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_directory_that_is_not_there_lists_nothing) {
  for (const auto& path : list_plugins("no/such/directory"))
    BOOST_TEST(path.parent_path().string() != "no/such/directory");
}

BOOST_AUTO_TEST_SUITE_END()
