// What the tests of `perplexity` share: the command run in this process, its answer as JSON.
#pragma once

#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "base/json.hpp"
#include "tools/perplexity.hpp"

namespace llorch::tools {

inline std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  BOOST_TEST_REQUIRE(file.good(), path);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline boost::json::value parsed(const std::string& text) {
  const auto value = parse_json(text);
  BOOST_TEST_REQUIRE(value.has_value(), text);
  return *value;
}

inline boost::json::value run(const PerplexityOptions& options, const std::string& input = {}) {
  std::istringstream in(input);
  std::ostringstream out;
  const auto done = perplexity(options, in, out);
  BOOST_TEST_REQUIRE(done.has_value(), (done ? "" : done.error().message));
  return parsed(out.str());
}

}  // namespace llorch::tools
