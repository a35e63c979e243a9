// `llorch-host plugins`: what can be used, and why the rest cannot.
#include "tools/plugins.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <sstream>
#include <string>

#include "base/json.hpp"
#include "support/temporary_directory.hpp"

namespace fs = std::filesystem;
namespace json = boost::json;
using llorch::testing::TemporaryDirectory;
using llorch::tools::list_installed_plugins;

namespace {

/// A directory with the template plugin and a text file that calls itself one.
struct PluginFolder {
  TemporaryDirectory dir;
  PluginFolder() {
    fs::copy_file(fs::path(LLORCH_BINARY_DIR) / "lib/llorch/examples/bag_of_words.so", dir.path() / "bag_of_words.so");
    dir.write("notes.so", "just words\n");
  }
  [[nodiscard]] std::string listed(bool as_json) const {
    std::ostringstream out;
    const auto usable = list_installed_plugins({dir.path(), as_json}, out);
    BOOST_REQUIRE_MESSAGE(usable, usable.error().message);
    BOOST_TEST(*usable >= 1U);
    return out.str();
  }
};

const json::object* entry_of(const json::value& document, const std::string& file) {
  for (const json::value& entry : document.at("plugins").as_array()) {
    if (fs::path(std::string(entry.at("path").as_string())).filename() == file) return &entry.as_object();
  }
  return nullptr;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(plugins)

BOOST_FIXTURE_TEST_CASE(the_table_names_what_can_be_used_and_why_the_rest_cannot, PluginFolder) {
  const std::string table = listed(false);
  for (const char* expected :
       {"bag_of_words", "batch_invariant", "device: cpu", "refused: ", "notes.so", "a text file"}) {
    BOOST_TEST(table.find(expected) != std::string::npos, "no \"" << expected << "\" in\n" << table);
  }
}

BOOST_FIXTURE_TEST_CASE(the_json_form_holds_the_same, PluginFolder) {
  const auto document = llorch::parse_json(listed(true));
  BOOST_REQUIRE_MESSAGE(document, document.error().message);
  const auto* good = entry_of(*document, "bag_of_words.so");
  BOOST_REQUIRE(good != nullptr);
  BOOST_TEST(good->at("id").as_string() == "bag_of_words");
  BOOST_TEST(good->at("usable").as_bool());
  BOOST_TEST(good->at("abi_min").to_number<int>() == 1);
  BOOST_TEST(good->at("devices").as_array().size() == 1U);
  BOOST_TEST(!good->at("capabilities").as_array().empty());
  const auto* bad = entry_of(*document, "notes.so");
  BOOST_REQUIRE(bad != nullptr);
  BOOST_TEST(!bad->at("usable").as_bool());
  BOOST_TEST(std::string(bad->at("error").as_string()).find("a text file") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
