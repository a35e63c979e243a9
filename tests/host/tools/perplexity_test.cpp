// `perplexity`: its figures are those of transformers and numpy (tests/fixtures/perplexity/expected.json).
#include "tools/perplexity.hpp"

#include <sys/stat.h>

#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "perplexity_support.hpp"
#include "support/temporary_directory.hpp"

namespace llorch::tools {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

const fs::path kSource = LLORCH_SOURCE_DIR;
const fs::path kPerplexity = kSource / "tests/fixtures/perplexity";

json::value expected() {
  return parsed(bytes_of(kPerplexity / "expected.json"));
}

PerplexityOptions options_of(const std::string& model, std::uint32_t window) {
  PerplexityOptions options;
  options.model = kSource / model;
  options.text = kPerplexity / "text.txt";
  options.window = window;
  options.json = true;
  return options;
}

std::string error_of(const PerplexityOptions& options) {
  std::istringstream in;
  std::ostringstream out;
  const auto done = perplexity(options, in, out);
  BOOST_TEST(out.str().empty());
  return done ? "no error" : done.error().message;
}

void check_near(const json::value& found, const json::value& wanted, const std::string& key, double relative) {
  const double a = found.at(key).to_number<double>();
  const double b = wanted.at(key).to_number<double>();
  BOOST_TEST(std::abs(a - b) <= relative * std::abs(b), key << ": expected " << b << ", found " << a);
}

void check_mentions(const std::string& text, const std::string& part) {
  BOOST_TEST(text.find(part) != std::string::npos, "expected \"" << part << "\" in: " << text);
}

BOOST_AUTO_TEST_SUITE(perplexity_command)

BOOST_AUTO_TEST_CASE(figures_are_those_of_transformers) {
  const json::value everything = expected();
  for (const json::value& wanted : everything.at("cases").as_array()) {
    const auto window = wanted.at("window").to_number<std::uint32_t>();
    const std::string model(wanted.at("model").as_string());
    BOOST_TEST_CONTEXT(model << ", window " << window) {
      const json::value found = run(options_of(model, window));
      for (const char* key : {"window", "windows", "text_tokens", "scored"})
        BOOST_TEST(found.at(key).to_number<int>() == wanted.at(key).to_number<int>(), key);
      BOOST_TEST(found.at("bos").as_bool() == wanted.at("bos").as_bool());
      for (const char* key : {"nll", "nll_error", "perplexity", "perplexity_error"})
        check_near(found, wanted, key, 1e-5);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_comparison_with_a_file_that_numpy_wrote_finds_what_numpy_finds) {
  const json::value everything = expected();
  const json::value& wanted = everything.at("against");
  PerplexityOptions options = options_of(std::string(wanted.at("model").as_string()), 16);
  options.most_windows = wanted.at("windows").to_number<std::uint32_t>();
  options.against = kPerplexity / std::string(wanted.at("file").as_string());
  const json::value found = run(options).at("against");
  for (const char* key : {"perplexity", "perplexity_difference", "perplexity_difference_error", "kl", "kl_error",
                          "kl_max", "same_top", "same_top_error"})
    check_near(found, wanted, key, 1e-4);
}

BOOST_AUTO_TEST_CASE(a_run_against_its_own_file_differs_nowhere_whatever_threads_and_batch) {
  const testing::TemporaryDirectory directory;
  PerplexityOptions options = options_of("models/tiny-llama2.gguf", 64);
  options.save = directory.path() / "run.lp";
  const json::value saved = run(options);
  options.save.reset();
  options.against = directory.path() / "run.lp";
  options.threads = 2;
  options.batch_tokens = 7;
  const json::value compared = run(options);
  BOOST_TEST(compared.at("nll") == saved.at("nll"));
  const json::value& against = compared.at("against");
  for (const char* key : {"perplexity_difference", "kl", "kl_error", "kl_max"})
    BOOST_TEST(against.at(key).to_number<double>() == 0, key);
  BOOST_TEST(against.at("same_top").to_number<double>() == 1);
  BOOST_TEST(std::distance(fs::directory_iterator(directory.path()), fs::directory_iterator()) == 1);
}

BOOST_AUTO_TEST_CASE(the_saved_file_is_what_the_format_says) {
  const testing::TemporaryDirectory directory;
  PerplexityOptions options = options_of("models/tiny-llama2.gguf", 16);
  options.most_windows = 3;
  options.save = directory.path() / "run.lp";
  run(options);
  const std::string ours = bytes_of(*options.save);
  const std::string numpys = bytes_of(kPerplexity / "noisy.lp");  // other probabilities
  BOOST_TEST(ours.size() == numpys.size());
  constexpr std::size_t kBeforeProbabilities = 32 + 3 * 16 * 4;
  BOOST_TEST((ours.substr(0, kBeforeProbabilities) == numpys.substr(0, kBeforeProbabilities)));
}

BOOST_AUTO_TEST_CASE(the_text_may_come_from_standard_input_and_its_last_newline_counts_for_nothing) {
  PerplexityOptions options = options_of("models/tiny-gpt2", 64);
  const json::value from_file = run(options);
  std::string text = bytes_of(options.text);
  BOOST_TEST_REQUIRE(text.ends_with('\n'));
  options.text = "-";
  BOOST_TEST(run(options, text) == from_file);
  text.pop_back();
  BOOST_TEST(run(options, text) == from_file);
}

BOOST_AUTO_TEST_CASE(the_plain_form_shows_the_same_figures) {
  PerplexityOptions options = options_of("models/tiny-llama2.gguf", 16);
  options.most_windows = 3;
  options.against = kPerplexity / "noisy.lp";
  options.json = false;
  std::istringstream in;
  std::ostringstream out;
  BOOST_TEST_REQUIRE(perplexity(options, in, out).has_value());
  for (const char* part : {"3 windows of 16 that begin with BOS, 21 positions", "2.42074 ± 0.39929 nats a token",
                           "11.2542 ± 4.4937", "12.5774", "6.203e-02 ± 7.0e-03 nats, largest 1.368e-01", "71.429"})
    check_mentions(out.str(), part);
}

BOOST_AUTO_TEST_CASE(a_text_too_short_and_a_window_too_long_are_told_with_both_numbers) {
  PerplexityOptions options = options_of("models/tiny-gpt2", 512);
  check_mentions(error_of(options), "expected at least 512 tokens, one window (-c sets it), found 280");
  options.window = 513;
  check_mentions(error_of(options), "expected at most 512 tokens (the model's context), found 513");
  options.window = 64;
  options.text = "no/such/file";
  check_mentions(error_of(options), "no/such/file");
}

BOOST_AUTO_TEST_CASE(a_file_of_another_text_window_or_vocabulary_is_refused_by_name) {
  PerplexityOptions options = options_of("models/tiny-llama2.gguf", 16);
  options.against = kPerplexity / "noisy.lp";
  check_mentions(error_of(options), "noisy.lp: windows: expected 17 as in this run, found 3");
  options.window = 32;
  check_mentions(error_of(options), "tokens a window: expected 32 as in this run, found 16");
  options.window = 16;
  options.most_windows = 3;
  options.model = kSource / "models/tiny-gpt2";
  check_mentions(error_of(options), "window 0, position 0: expected id ");
  options.against = "no/such/file.lp";
  check_mentions(error_of(options), "no/such/file.lp");
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_written_is_an_error_and_leaves_nothing_behind) {
  const testing::TemporaryDirectory directory;
  PerplexityOptions options = options_of("models/tiny-gpt2", 64);
  options.save = directory.path() / "missing" / "run.lp";
  check_mentions(error_of(options), "run.lp: cannot write: No such file or directory");
  options.save = directory.path();
  check_mentions(error_of(options), directory.path().string() + ": cannot write: expected a regular file or none");
  const fs::path fifo = directory.path() / "fifo";
  BOOST_TEST_REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  options.save = fifo;
  check_mentions(error_of(options), "fifo: cannot write: expected a regular file or none");
  BOOST_TEST(fs::is_fifo(fifo));
  fs::remove(fifo);
  // A run that fails after it began to write: the file to compare with breaks off in its probabilities.
  std::string broken = bytes_of(kPerplexity / "noisy.lp");
  broken.replace(broken.size() - 4, 4, "\xFF\xFF\xFF\x7F", 4);  // NaN
  options = options_of("models/tiny-llama2.gguf", 16);
  options.most_windows = 3;
  options.against = directory.write("broken.lp", broken);
  options.save = directory.path() / "run.lp";
  check_mentions(error_of(options), "position 20, id 2047: expected a log-probability, found nan");
  BOOST_TEST(std::distance(fs::directory_iterator(directory.path()), fs::directory_iterator()) == 1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::tools
