// Strict JSON: documents that RFC 8259 and this project accept or refuse, and what becomes of them.
#include "base/json.hpp"

#include <boost/json/serialize.hpp>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using llorch::JsonLimits;
using llorch::parse_json;
using namespace std::string_literals;

std::string error_of(std::string_view text, const JsonLimits& limits = {}) {
  const auto parsed = parse_json(text, limits);
  return parsed ? "accepted" : parsed.error().message;
}

void expect_error(std::string_view text, std::string_view part, const JsonLimits& limits = {}) {
  const std::string message = error_of(text, limits);
  BOOST_TEST(message.find(part) != std::string::npos, "\"" << part << "\" in: " << message);
}

std::string nested(std::size_t depth, std::string_view open, std::string_view close) {
  std::string text;
  for (std::size_t i = 0; i < depth; ++i)
    text += open;
  for (std::size_t i = 0; i < depth; ++i)
    text += close;
  return text;
}

BOOST_AUTO_TEST_SUITE(json)

BOOST_AUTO_TEST_CASE(valid_documents_are_accepted) {
  const std::vector<std::string> documents = {"{}",
                                              "[]",
                                              "0",
                                              "-0",
                                              "7",
                                              "-7",
                                              "10",
                                              "1.5",
                                              "-0.25",
                                              "1e5",
                                              "1E5",
                                              "1e+5",
                                              "1e-5",
                                              "0e0",
                                              "0.0",
                                              "1.0e-10",
                                              "true",
                                              "false",
                                              "null",
                                              "\"\"",
                                              "\"text\"",
                                              " 1",
                                              "1 ",
                                              "\t\r\n [ ] \n",
                                              "[1,2,3]",
                                              "[1 , 2\n,\t3]",
                                              "[[],{}]",
                                              R"({"a":1})",
                                              R"({ "a" : 1 , "b" : [ ] })",
                                              R"({"":0})",
                                              R"({"a":{"a":{"a":1}}})",
                                              R"([null,true,false])",
                                              R"("\"\\\/\b\f\n\r\t")",
                                              R"("\u0041")",
                                              R"("\u00e9\u20AC")",
                                              R"("\ud83d\ude00")",
                                              R"("\u0000")",
                                              R"("\uFFFF")",
                                              "\"\u00e9\u20ac\U0001F600\"",
                                              "\"\x7F\"",
                                              "9007199254740993",
                                              "9223372036854775807",
                                              "-9223372036854775808",
                                              "18446744073709551615",
                                              "1.7976931348623157e308",
                                              "5e-324",
                                              "1e-400",
                                              "-1e-400",
                                              "123456789012345678901234567890.0",
                                              R"({"a":1,"A":2})",
                                              R"({"a":1,"a ":2})",
                                              R"([{"a":1},{"a":2}])",
                                              "\"a/b\"",
                                              "[\"\xC2\x80\xEF\xBF\xBD\"]",
                                              "[0.1,[0.2,[0.3]]]"};
  for (const std::string& text : documents) {
    BOOST_TEST(error_of(text) == "accepted", text);
  }
}

BOOST_AUTO_TEST_CASE(invalid_documents_are_refused) {
  const std::vector<std::string> documents = {
      // nothing, too much, too little
      "", " ", "\n", "1 2", "{}{}", "[] x", "{} ,", "\"a\" \"b\"", "nul", "tru", "nullx", "True", "NULL", "undefined",
      "[", "]", "{", "}", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1,,2]", "[1 2]", "[}", "{]", "[1}", "((", ":",
      // objects
      R"({"a"})", R"({"a":})", R"({"a" 1})", R"({"a":1,})", R"({,})", R"({a:1})", R"({'a':1})", R"({1:1})",
      R"({"a":1 "b":2})", R"({"a"::1})", R"({"a":1}})", R"({null:1})", R"({["a"]:1})",
      // numbers
      "+1", "01", "-01", "00", "1.", ".5", "-.5", "-", "--1", "1e", "1e+", "1.e5", "0x10", "1_000", "1,000", "NaN",
      "nan", "Infinity", "-Infinity", "inf", "1e400", "-1e400", "1.0e99999999999999999999", "18446744073709551616",
      "-9223372036854775809", "123456789012345678901234567890", "1 .5", "1a", "\u0661",
      // strings
      "\"", "\"a", "'a'", R"("\x41")", R"("\u12")", R"("\u12G4")", R"("\)", R"("\a")", R"("\ud83d")", R"("\ude00")",
      R"("\ude00\ud83d")", R"("\ud83d\u0041")", R"("\ud83dx")", "\"a\nb\"", "\"a\tb\"", "\"\x1F\"", "\"a\0b\""s,
      "\"\x80\"", "\"\xC0\x80\"", "\"\xC3\"", "\"\xE2\x82\"", "\"\xED\xA0\x80\"", "\"\xF4\x90\x80\x80\"", "\"\xFF\"",
      "\"\xF0\x80\x80\x80\"", "\xFF", "\xEF\xBB\xBF{}", "{}\0"s, "\0"s,
      // extensions that others allow
      "// comment\n1", "/* comment */ 1", "[1, /* two */ 2]", "[1] # end", "\"a\" + \"b\"", "`a`", "{\"a\":1;}"};
  for (const std::string& text : documents) {
    BOOST_TEST(error_of(text).starts_with("invalid JSON at byte "), text << " -> " << error_of(text));
  }
}

BOOST_AUTO_TEST_CASE(line_21_nesting_deeper_than_the_limit_is_refused) {
  BOOST_TEST(error_of(nested(32, "[", "]")) == "accepted");
  BOOST_TEST(error_of(nested(31, "{\"a\":", "}").replace(31 * 5, 0, "1")) == "accepted");
  expect_error(nested(33, "[", "]"), "at byte 32: nested deeper than 32 levels");
  expect_error(nested(10'000, "[", "]"), "nested deeper than 32 levels");
  expect_error(nested(10'000, "{\"a\":", "}"), "nested deeper than 32 levels");
  expect_error(std::string(1'000'000, '['), "nested deeper than 32 levels");
}

BOOST_AUTO_TEST_CASE(line_22_numbers_that_fit_no_type_are_refused_with_the_reason) {
  expect_error("[1e400]", "number does not fit a double");
  expect_error("[-1e400]", "number does not fit a double");
  expect_error("18446744073709551616", "integer needs more than 64 bits");
  expect_error("{\"seed\": -9223372036854775809}", "integer needs more than 64 bits");
  expect_error("[NaN]", "at byte 1");
}

BOOST_AUTO_TEST_CASE(integers_beyond_64_bits_are_doubles_where_the_caller_allows_them) {
  llorch::JsonLimits limits;
  limits.wide_integers = true;
  const auto document = llorch::parse_json("[1000000000000000019884624838656, 7]", limits);
  BOOST_REQUIRE_MESSAGE(document, document.error().message);
  BOOST_TEST(document->at(0).as_double() == 1e30);
  BOOST_TEST(document->at(1).as_int64() == 7);
}

BOOST_AUTO_TEST_CASE(line_23_a_key_twice_in_one_object_is_refused) {
  expect_error(R"({"a":1,"b":2,"a":3})", "key \"a\" appears twice in one object");
  expect_error(R"({"a":1,"\u0061":3})", "key \"a\" appears twice in one object");
  expect_error(R"([{"x":{"":1,"":2}}])", "key \"\" appears twice in one object");
  expect_error(R"({"a":1,"a":1})", "at byte 9");
}

BOOST_AUTO_TEST_CASE(line_24_text_that_is_not_utf8_is_refused_as_such) {
  expect_error("\"\xFF\"", "not valid UTF-8");
  expect_error("{\"a\": \"\xED\xA0\x80\"}", "not valid UTF-8");
  expect_error("{\"\xC0\x80\": 1}", "not valid UTF-8");
}

BOOST_AUTO_TEST_CASE(numbers_keep_their_kind) {
  BOOST_TEST(parse_json("9223372036854775807")->is_int64());
  BOOST_TEST(parse_json("-0")->is_int64());
  BOOST_TEST(parse_json("9223372036854775808")->is_uint64());
  BOOST_TEST(parse_json("18446744073709551615")->get_uint64() == 18446744073709551615U);
  BOOST_TEST(parse_json("9007199254740993")->get_int64() == 9007199254740993);
  BOOST_TEST(parse_json("1.0")->is_double());
  BOOST_TEST(parse_json("1e2")->is_double());
}

BOOST_AUTO_TEST_CASE(doubles_are_the_nearest_ones) {
  // Texts whose naive conversion is off by one unit in the last place, and the borders of the format.
  const std::vector<std::pair<std::string, double>> cases = {
      {"0.1", 0x1.999999999999ap-4},
      {"1e-05", 0x1.4f8b588e368f1p-17},
      {"8.41e21", 8.41e21},
      {"9.5367431640625e-7", 0x1p-20},
      {"2.2250738585072011e-308", 0x1.ffffffffffffep-1023},
      {"1.7976931348623157e308", 0x1.fffffffffffffp+1023},
      {"5e-324", 0x0.0000000000001p-1022},
      {"1e-400", 0.0},
      {"123456789012345678901234567890.5", 0x1.8ee90ff6c373ep+96},
  };
  for (const auto& [text, expected] : cases) {
    BOOST_TEST(parse_json(text)->get_double() == expected, text);
  }
  BOOST_TEST(std::signbit(parse_json("-1e-400")->get_double()));
}

BOOST_AUTO_TEST_CASE(strings_are_unescaped) {
  BOOST_TEST(parse_json(R"("\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00x")")->get_string() ==
             "\"\\/\b\f\n\r\t\u00e9\U0001F600x");
  BOOST_TEST(parse_json(R"("a\u0000b")")->get_string().size() == 3U);
}

BOOST_AUTO_TEST_CASE(members_keep_their_values) {
  const auto parsed = parse_json(R"( {"b": [1, -2, 2.5, "x", null, true], "a": {"c": {}}} )");
  BOOST_REQUIRE(parsed.has_value());
  BOOST_TEST(boost::json::serialize(*parsed) == R"({"b":[1,-2,2.5E0,"x",null,true],"a":{"c":{}}})");
}

BOOST_AUTO_TEST_CASE(limits_are_kept) {
  const JsonLimits limits{.max_depth = 3, .max_bytes = 40, .max_values = 5, .max_string_bytes = 4};
  expect_error(std::string(41, ' '), "JSON of 41 bytes: at most 40 are accepted", limits);
  expect_error("[[[[]]]]", "nested deeper than 3 levels", limits);
  expect_error("[1,2,3,4,5,6]", "more than 5 values", limits);
  expect_error("[[1,2],[3,4]]", "more than 5 values", limits);
  expect_error("\"12345\"", "string longer than 4 bytes", limits);
  expect_error("{\"12345\":1}", "string longer than 4 bytes", limits);
  BOOST_TEST(error_of("[1,2,[3,4]]", limits) == "accepted");
  BOOST_TEST(error_of("\"1234\"", limits) == "accepted");
}

BOOST_AUTO_TEST_CASE(failures_are_the_callers_and_never_quote_a_value) {
  const auto parsed = parse_json("{\"prompt\": \"my secret\", \"prompt\": \"my secret\"}");
  BOOST_REQUIRE(!parsed);
  BOOST_TEST((parsed.error().code == llorch::ErrorCode::kInvalidArgument));
  BOOST_TEST(parsed.error().message.find("secret") == std::string::npos, parsed.error().message);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
