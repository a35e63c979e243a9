// `llorch-host check`: the verdict, and what is printed about it.
#include "tools/check.hpp"

#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <sstream>
#include <string>

#include "base/json.hpp"

namespace fs = std::filesystem;
using llorch::ErrorCode;
using llorch::tools::check;
using llorch::tools::CheckOptions;

namespace {

CheckOptions random_model() {
  CheckOptions options;
  options.model = fs::path(LLORCH_SOURCE_DIR) / "tests/fixtures/gpt2_random";
  options.plugin = "gpt2_cpu";
  options.reference = options.model / "reference";
  return options;
}

struct Outcome {
  bool passed;
  std::string text;
};
Outcome run(const CheckOptions& options) {
  std::ostringstream out;
  const auto passed = check(options, out);
  BOOST_REQUIRE_MESSAGE(passed, passed.error().message);
  return {*passed, out.str()};
}
void check_printed(const std::string& text, std::initializer_list<const char*> parts) {
  for (const char* part : parts)
    BOOST_TEST(text.find(part) != std::string::npos, "no \"" << part << "\" in\n" << text);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(check_command)

BOOST_AUTO_TEST_CASE(the_right_model_holds_every_rung_and_the_table_shows_error_and_tolerance) {
  const Outcome outcome = run(random_model());
  BOOST_TEST(outcome.passed);
  check_printed(outcome.text, {"gpt2_cpu", "attn_norm, layer 0", "1e-05", "exact", "yes", "every rung holds"});
}

BOOST_AUTO_TEST_CASE(the_json_form_holds_every_rung) {
  CheckOptions options = random_model();
  options.json = true;
  const auto document = llorch::parse_json(run(options).text);
  BOOST_REQUIRE_MESSAGE(document, document.error().message);
  BOOST_TEST(document->at("passed").as_bool());
  BOOST_TEST(document->at("rungs").as_array().size() == 14U);
  BOOST_TEST(document->at("rungs").at(1).at("rung").as_string() == "1");
}

BOOST_AUTO_TEST_CASE(the_reference_of_another_model_stops_early_and_says_where) {
  CheckOptions options = random_model();
  options.reference = fs::path(LLORCH_SOURCE_DIR) / "tests/fixtures/gpt2_random_gelu/reference";
  const Outcome outcome = run(options);
  BOOST_TEST(!outcome.passed);
  check_printed(outcome.text, {"does not hold", "first difference: ", "reference"});
}

BOOST_AUTO_TEST_CASE(a_model_that_is_not_the_known_one_is_told_so) {
  CheckOptions options = random_model();
  options.model = fs::path(LLORCH_SOURCE_DIR) / "models/tiny-gpt2";
  options.reference.clear();
  options.known = "gpt2-medium";
  const Outcome outcome = run(options);
  BOOST_TEST(!outcome.passed);
  check_printed(outcome.text, {"rung 0", "this is another model"});
}

BOOST_AUTO_TEST_CASE(one_of_reference_and_known_must_be_given) {
  CheckOptions options = random_model();
  std::ostringstream out;
  options.known = "gpt2";
  BOOST_TEST(!check(options, out).has_value());
  options.known.clear();
  options.reference.clear();
  BOOST_TEST(!check(options, out).has_value());
}

BOOST_AUTO_TEST_CASE(a_missing_reference_is_an_error_that_names_it) {
  CheckOptions options = random_model();
  options.reference = "no/such/reference";
  std::ostringstream out;
  const auto passed = check(options, out);
  BOOST_REQUIRE(!passed);
  BOOST_TEST((passed.error().code == ErrorCode::kNotFound));
  BOOST_TEST(passed.error().message.find("no/such/reference/manifest.json") != std::string::npos,
             passed.error().message);
}

BOOST_AUTO_TEST_SUITE_END()
