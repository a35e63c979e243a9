// Flags and the page in docs/ are made from the table, so neither can fall behind it.
#include "config/flags.hpp"

#include <CLI/CLI.hpp>
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <stdexcept>
#include <string>

#include "config/config.hpp"

using namespace llorch::config;

BOOST_AUTO_TEST_SUITE(config_flags)

BOOST_AUTO_TEST_CASE(every_option_has_a_flag_that_reaches_resolve) {
  CLI::App app;
  std::map<std::string, std::string> flags;
  add_config_flags(app, flags);
  app.parse("--worker-id w7 --port 0 --max-body-bytes=2048 --model m.gguf", false);
  const auto resolved = resolve(flags, {}, "");
  BOOST_REQUIRE_MESSAGE(resolved, resolved.error().message);
  BOOST_TEST(resolved->config.worker_id == "w7");
  BOOST_TEST(resolved->config.port == 0);
  BOOST_TEST(resolved->config.max_body_bytes == 2048U);
  BOOST_TEST(flags.size() == 4U);
}

BOOST_AUTO_TEST_CASE(help_names_limits_default_and_variable_of_each_option) {
  CLI::App app;
  std::map<std::string, std::string> flags;
  add_config_flags(app, flags);
  for (const Option& option : options()) {
    const CLI::Option* flag = app.get_option_no_throw(option.flag());
    BOOST_REQUIRE_MESSAGE(flag != nullptr, option.flag());
    const std::string text = flag->get_description();
    BOOST_TEST(text.find(option.help) != std::string::npos, option.flag() << ": " << text);
    BOOST_TEST(text.find("env " + option.environment) != std::string::npos, option.flag() << ": " << text);
    BOOST_TEST(text.find(option.limits) != std::string::npos, option.flag() << ": " << text);
    BOOST_TEST(text.find(option.default_text) != std::string::npos, option.flag() << ": " << text);
  }
}

BOOST_AUTO_TEST_CASE(a_subset_adds_only_its_keys_and_an_unknown_one_is_a_defect) {
  CLI::App app;
  std::map<std::string, std::string> flags;
  add_config_flags(app, flags, {"model", "plugin"});
  BOOST_TEST(app.get_option_no_throw("--model") != nullptr);
  BOOST_TEST(app.get_option_no_throw("--port") == nullptr);
  BOOST_CHECK_THROW(add_config_flags(app, flags, {"modell"}), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(keys_and_variables_are_unique) {
  std::set<std::string> keys, variables;
  for (const Option& option : options()) {
    BOOST_TEST(keys.insert(option.key).second, option.key);
    BOOST_TEST(variables.insert(option.environment).second, option.environment);
    BOOST_TEST(!option.help.empty(), option.key);
  }
}

BOOST_AUTO_TEST_CASE(the_page_in_docs_has_the_row_of_every_option) {
  std::ifstream stream(LLORCH_SOURCE_DIR "/docs/configuration.md");
  const std::string page{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  BOOST_REQUIRE_MESSAGE(!page.empty(), "docs/configuration.md is missing or empty");
  for (const Option& option : options()) {
    const std::string value = option.default_text.empty() ? "(empty)" : "`" + option.default_text + "`";
    const std::string row = "| `" + option.key + "` | `" + option.flag() + "` | `" + option.environment + "` | " +
                            option.type + " | " + value + " | " + (option.limits.empty() ? "-" : option.limits) +
                            " | " + option.help + " |\n";
    BOOST_TEST(page.find(row) != std::string::npos, "docs/configuration.md lacks this row:\n" << row);
  }
}

BOOST_AUTO_TEST_SUITE_END()
