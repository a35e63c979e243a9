#include "tools/load_model.hpp"

#include <boost/test/unit_test.hpp>

namespace {

using llorch::config::Config;
using llorch::tools::model_name;

Config with_model(std::string path) {
  Config config;
  config.model = std::move(path);
  return config;
}

BOOST_AUTO_TEST_SUITE(load_model)

BOOST_AUTO_TEST_CASE(a_model_is_named_after_its_file_or_directory_unless_told_otherwise) {
  BOOST_TEST(model_name(with_model("/a/llama-2-7b.Q4_K_M.gguf")) == "llama-2-7b.Q4_K_M");
  BOOST_TEST(model_name(with_model("models/tiny-gpt2")) == "tiny-gpt2");
  BOOST_TEST(model_name(with_model("models/tiny-gpt2/")) == "tiny-gpt2");
  BOOST_TEST(model_name(with_model("/a/b/../c")) == "c");
  Config named = with_model("/a/b");
  named.model_name = "mine";
  BOOST_TEST(model_name(named) == "mine");
}

BOOST_AUTO_TEST_CASE(a_missing_model_or_none_at_all_is_an_error_that_says_so) {
  const auto none = llorch::tools::load_model(Config());
  BOOST_TEST_REQUIRE(none.has_error());
  BOOST_TEST(none.error().message.find("--model") != std::string::npos);
  const auto missing = llorch::tools::load_model(with_model("/nonexistent/x.gguf"));
  BOOST_TEST_REQUIRE(missing.has_error());
  BOOST_TEST(missing.error().message.find("/nonexistent/x.gguf") != std::string::npos, missing.error().message);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
