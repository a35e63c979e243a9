// `tokenize`: what it prints, and what it says about bad input.
#include "tools/tokenize.hpp"

#include <CLI/CLI.hpp>
#include <boost/test/unit_test.hpp>
#include <sstream>

#include "support/byte_vocabulary.hpp"
#include "support/temporary_directory.hpp"

namespace llorch::tools {
namespace {

using Output = TokenizeOptions::Output;

// A directory with tokenizer.json: the 256 bytes by value, 256 "he", 257 "<end>" (special).
struct Directory {
  testing::TemporaryDirectory directory;
  TokenizeOptions options;

  Directory() {
    directory.write(
        "tokenizer.json",
        testing::ByteVocabulary().merge("h", "e").add({.content = "<end>", .special = true}).tokenizer_json());
    options.model = directory.path();
  }

  std::string run(const std::string& input = {}) {
    std::istringstream in(input);
    std::ostringstream out;
    const auto done = tokenize(options, in, out);
    return out.str() + (done ? "" : "error: " + done.error().message);
  }
};

BOOST_FIXTURE_TEST_SUITE(tokenize_command, Directory)

BOOST_AUTO_TEST_CASE(a_text_is_shown_token_by_token) {
  options.text = "hey\n";
  BOOST_TEST(run() == "     256  \"he\"\n     121  \"y\"\n      10  \"\\n\"\n");
}

BOOST_AUTO_TEST_CASE(ids_come_on_one_line) {
  options.text = "hey";
  options.output = Output::kIds;
  BOOST_TEST(run() == "256 121\n");
}

BOOST_AUTO_TEST_CASE(json_holds_text_ids_and_tokens) {
  options.text = "he\xFF\"";
  options.output = Output::kJson;
  BOOST_TEST(run() ==
             "{\"text\":\"he\xEF\xBF\xBD\\\"\",\"ids\":[256,255,34],\"tokens\":[\"he\",\"\xEF\xBF\xBD\",\"\\\"\"]}\n");
}

BOOST_AUTO_TEST_CASE(standard_input_is_read_byte_for_byte_when_nothing_else_is_given) {
  options.output = Output::kIds;
  BOOST_TEST(run("h\r\n") == "104 13 10\n");
}

BOOST_AUTO_TEST_CASE(a_file_is_read_byte_for_byte) {
  options.output = Output::kIds;
  options.file = directory.write("text", std::string_view("a\0\n", 3));
  BOOST_TEST(run() == "97 0 10\n");
  options.file = directory.path() / "absent";
  BOOST_TEST(run().find("absent: cannot open") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(special_tokens_are_text_unless_they_are_asked_for) {
  options.text = "<end>";
  options.output = Output::kIds;
  BOOST_TEST(run() == "60 101 110 100 62\n");
  options.parse_special = true;
  BOOST_TEST(run() == "257\n");
}

BOOST_AUTO_TEST_CASE(each_line_of_jsonl_is_answered_by_an_array) {
  options.jsonl = true;
  BOOST_TEST(run("\"he\"\n\"<end>\"\r\n\"\"\n\"\\u00e9\"") == "[256]\n[60,101,110,100,62]\n[]\n[195,169]\n");
}

BOOST_AUTO_TEST_CASE(a_bad_line_of_jsonl_is_named_after_the_answers_before_it) {
  options.jsonl = true;
  BOOST_TEST(run("\"a\"\n17\n\"b\"\n") == "[97]\nerror: line 2: expected a JSON string, found \"17\"");
  for (const char* bad : {"\n", "\"a\n", "\"\\ud800\"\n", "\"\xFF\"\n"}) {
    BOOST_TEST(run(bad).starts_with("error: line 1: expected a JSON string: "), bad);
  }
}

BOOST_AUTO_TEST_CASE(ids_are_decoded_to_the_bytes_they_stand_for) {
  options.decode = {256, 255, 257};
  BOOST_TEST(run() == "he\xFF<end>\n");
  options.skip_special = true;
  BOOST_TEST(run() == "he\xFF\n");
}

BOOST_AUTO_TEST_CASE(an_id_outside_the_vocabulary_is_an_error) {
  for (const std::int64_t id : {std::int64_t{-1}, std::int64_t{258}, std::int64_t{1} << 40}) {
    options.decode = {id};
    BOOST_TEST(run() == "error: --decode: expected token ids from 0 to 257, found " + std::to_string(id));
  }
}

BOOST_AUTO_TEST_CASE(options_that_contradict_each_other_are_refused) {
  for (const char* arguments : {"", "--model x --ids --json y", "--model x --jsonl y", "--model x --decode 1 --jsonl",
                                "--model x --file f y", "--model x --skip-special y", "--model x --unknown"}) {
    CLI::App app;
    int exit_code = -1;
    add_tokenize(app, exit_code);
    BOOST_CHECK_THROW(app.parse(std::string("tokenize ") + arguments), CLI::ParseError);
    BOOST_TEST(exit_code == -1);
  }
}

BOOST_AUTO_TEST_CASE(the_subcommand_stores_its_exit_code) {
  CLI::App app;
  int exit_code = -1;
  add_tokenize(app, exit_code);
  app.parse("tokenize --model " + (directory.path() / "absent").string() + " text");
  BOOST_TEST(exit_code == 1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::tools
