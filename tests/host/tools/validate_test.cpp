// `llorch-host plugins --validate`: the table, the JSON form and the exit code.
#include "tools/validate.hpp"

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <sstream>
#include <string>
#include <utility>

#include "base/json.hpp"
#include "tools/plugins.hpp"

namespace fs = std::filesystem;
using llorch::conformance::Options;
using llorch::tools::validate_plugin;

namespace {

const fs::path template_plugin = fs::path(LLORCH_BINARY_DIR) / "lib/llorch/examples/bag_of_words.so";
const fs::path other_model = fs::path(LLORCH_SOURCE_DIR) / "models/tiny-gpt2";

Options options_for(const fs::path& plugin, std::vector<std::string> only) {
  Options options;
  options.plugin = plugin;
  options.only = std::move(only);
  return options;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(validate)

BOOST_AUTO_TEST_CASE(the_table_has_a_line_for_each_rule_and_a_sum) {
  std::ostringstream out;
  const auto conforms = validate_plugin(options_for(template_plugin, {"K-26"}), false, out);
  BOOST_REQUIRE_MESSAGE(conforms, conforms.error().message);
  BOOST_TEST(*conforms);
  const std::string table = out.str();
  for (const char* expected : {"bag_of_words.so", "a small random model", "K-02  pass  loads", "K-26  pass  removed",
                               "6 rules passed, 0 failed, 0 skipped"}) {
    BOOST_TEST(table.find(expected) != std::string::npos, "no \"" << expected << "\" in\n" << table);
  }
  BOOST_TEST(table.find("K-25") == std::string::npos, table);
}

BOOST_AUTO_TEST_CASE(the_json_form_says_for_each_rule_what_came_out_and_why) {
  std::ostringstream out;
  auto options = options_for(fs::path(LLORCH_BINARY_DIR) / "lib/llorch/plugins/llama2_cpu.so", {"K-24"});
  options.model = other_model;  // which it refuses
  const auto conforms = validate_plugin(options, true, out);
  BOOST_REQUIRE_MESSAGE(conforms, conforms.error().message);
  BOOST_TEST(!*conforms);
  const auto document = llorch::parse_json(out.str());
  BOOST_REQUIRE_MESSAGE(document, document.error().message);
  BOOST_TEST(!document->at("conforms").as_bool());
  BOOST_TEST(document->at("failed").to_number<int>() == 1);
  for (const auto& rule : document->at("rules").as_array()) {
    const auto& id = rule.at("id").as_string();
    const auto& verdict = rule.at("verdict").as_string();
    BOOST_TEST(verdict == (id == "K-10" ? "fail" : id == "K-24" || id == "K-11" ? "skip" : "pass"), id);
    if (id == "K-10") BOOST_TEST(rule.at("detail").as_string().find("expected llama, found gpt2") != std::string::npos);
    if (id == "K-24") BOOST_TEST(rule.at("needs_model").as_bool());
  }
}

BOOST_AUTO_TEST_CASE(an_installed_plugin_is_validated_by_its_name) {
  const std::string installed = (fs::path(LLORCH_BINARY_DIR) / "lib/llorch/plugins").string();
  for (const auto& [name, expected] : {std::pair{"llama2_cpu", 0}, {"no_such_plugin", 1}}) {
    CLI::App app;
    int exit_code = 99;
    llorch::tools::add_plugins(app, exit_code);
    app.parse(fmt::format("plugins --plugin-dir {} --validate {} --rule K-01 --json", installed, name));
    BOOST_TEST(exit_code == expected, name);
  }
}

BOOST_AUTO_TEST_CASE(the_exit_code_is_0_when_no_rule_fails_and_1_when_one_does) {
  const auto run = [](std::vector<std::string> arguments) {
    CLI::App app;
    int exit_code = 99;
    llorch::tools::add_plugins(app, exit_code);
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(reversed);
    return exit_code;
  };
  BOOST_TEST(run({"plugins", "--validate", template_plugin.string(), "--rule", "K-01", "--json"}) == 0);
  BOOST_TEST(run({"plugins", "--validate", other_model.string()}) == 1);
  BOOST_TEST(run({"plugins", "--validate", template_plugin.string(), "--rule", "K-99"}) == 2);
  BOOST_TEST(run({"plugins", "--validate", template_plugin.string(), "--kv-type", "q8_0"}) == 1);
  const std::string llama = (fs::path(LLORCH_BINARY_DIR) / "lib/llorch/plugins/llama2_cpu.so").string();
  BOOST_TEST(run({"plugins", "--validate", llama, "--model", other_model.string(), "--rule", "K-01"}) == 1);
}

BOOST_AUTO_TEST_SUITE_END()
