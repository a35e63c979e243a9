// JSON text, event frames, time, metrics: exact output.
#include <boost/test/unit_test.hpp>

#include "api/clock.hpp"
#include "api/execute_events.hpp"
#include "api/json_writer.hpp"
#include "api/metrics.hpp"
#include "api/openai_error.hpp"
#include "base/json.hpp"

namespace {

BOOST_AUTO_TEST_SUITE(writers)

namespace api = llorch::api;

std::string written(std::string_view text) {
  std::string out;
  api::append_json_string(out, text);
  return out;
}

BOOST_AUTO_TEST_CASE(strings_are_escaped_as_json_wants_it) {
  BOOST_TEST(written("a\"b\\c\n\r\t\x01\x7F/") == R"("a\"b\\c\n\r\t\u0001\u007f/")");
  BOOST_TEST(written("\xE2\x82\xAC\xF0\x9F\x98\x80") == "\"\xE2\x82\xAC\xF0\x9F\x98\x80\"");
}

BOOST_AUTO_TEST_CASE(bytes_that_are_no_utf8_become_replacement_characters) {
  BOOST_TEST(written("a\xFFz") == "\"a\xEF\xBF\xBDz\"");
  BOOST_TEST(written("\xE2\x82") == "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

BOOST_AUTO_TEST_CASE(every_byte_in_a_string_reads_back_through_the_strict_parser) {
  for (int c = 0; c < 128; ++c) {
    const std::string text(3, static_cast<char>(c));
    const auto value = llorch::parse_json(written(text));
    BOOST_TEST_REQUIRE(value.has_value(), "byte " << c);
    BOOST_TEST(std::string(value->get_string()) == text, "byte " << c);
  }
}

BOOST_AUTO_TEST_CASE(the_writer_places_commas_and_keeps_numbers_exact) {
  std::string out;
  api::JsonWriter json(out);
  json.begin_object().member("a", 1).member("b", true).key("c").begin_array().value(0.1).value(-3).value(nullptr);
  json.begin_object().end_object().end_array().member("d", 18446744073709551615ULL).member("e", 1.0F / 3);
  json.member("f", std::numeric_limits<double>::infinity()).end_object();
  BOOST_TEST(out == R"({"a":1,"b":true,"c":[0.1,-3,null,{}],"d":18446744073709551615,"e":0.33333334,"f":null})");
}

BOOST_AUTO_TEST_CASE(time_is_rfc_3339_in_utc_with_milliseconds) {
  using std::chrono::milliseconds;
  const std::chrono::system_clock::time_point epoch;
  BOOST_TEST(api::rfc3339(epoch) == "1970-01-01T00:00:00.000Z");
  BOOST_TEST(api::rfc3339(epoch + milliseconds(1709251199042)) == "2024-02-29T23:59:59.042Z");
  BOOST_TEST(api::rfc3339(epoch - milliseconds(1)) == "1969-12-31T23:59:59.999Z");
}

BOOST_AUTO_TEST_CASE(a_token_event_is_named_typed_and_numbered) {
  std::string out;
  api::append_token(out, " \"hi\"\n", 7);
  BOOST_TEST(out == "event: token\ndata: {\"type\":\"token\",\"t\":\" \\\"hi\\\"\\n\",\"i\":7}\n\n");
}

BOOST_AUTO_TEST_CASE(a_finished_job_ends_with_its_counts_and_reason) {
  llorch::engine::FinishEvent end;
  end.reason = llorch::engine::StopReason::kStopSequence;
  end.stop_sequence = "\n";
  end.completion_tokens = 9;
  end.timings.decode = 0.1204;
  std::string out;
  api::append_terminal(out, end);
  BOOST_TEST(out ==
             "event: end\ndata: {\"type\":\"end\",\"tokens_out\":9,\"decode_time_ms\":120,"
             "\"stop_reason\":\"STOP_SEQUENCE\",\"stop_sequence_matched\":\"\\n\"}\n\n");
}

BOOST_AUTO_TEST_CASE(a_failed_job_ends_with_an_error_and_nothing_else) {
  llorch::engine::FinishEvent end;
  end.reason = llorch::engine::StopReason::kError;
  end.error = llorch::make_error(llorch::ErrorCode::kInternal, "logits hold NaN");
  std::string out;
  api::append_terminal(out, end);
  BOOST_TEST(
      out ==
      "event: error\ndata: {\"type\":\"error\",\"code\":\"INFERENCE_FAILED\",\"message\":\"logits hold NaN\"}\n\n");
}

BOOST_AUTO_TEST_CASE(openai_errors_carry_type_by_status_and_null_for_what_is_absent) {
  BOOST_TEST(api::openai_error_json(404, "no such path") ==
             R"({"error":{"message":"no such path","type":"not_found_error","param":null,"code":null}})");
  BOOST_TEST(api::openai_error(429, "full").headers.size() == 1U);
  BOOST_TEST(api::openai_error_json(500, "x").find("server_error") != std::string::npos);
  BOOST_TEST(api::openai_error_json(503, "x").find("unavailable_error") != std::string::npos);
  BOOST_TEST(api::openai_error_json(413, "x").find("invalid_request_error") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(metrics_are_exposed_in_the_text_format_with_escapes) {
  api::Registry registry;
  registry.counter("c_total", "Counts \\ and\nlines.", {{"model_name", "a\"b\\c\nd"}}).add(3);
  registry.gauge("g", "A gauge.").set(0.5);
  BOOST_TEST(registry.expose() ==
             "# HELP c_total Counts \\\\ and\\nlines.\n# TYPE c_total counter\n"
             "c_total{model_name=\"a\\\"b\\\\c\\nd\"} 3\n"
             "# HELP g A gauge.\n# TYPE g gauge\ng 0.5\n");
}

BOOST_AUTO_TEST_CASE(a_histogram_counts_cumulatively_up_to_infinity) {
  api::Registry registry;
  api::Histogram& histogram = registry.histogram("h", "Seconds.", {0.1, 1}, {{"m", "x"}});
  for (const double value : {0.1, 0.2, 5.0})
    histogram.observe(value);
  BOOST_TEST(registry.expose() ==
             "# HELP h Seconds.\n# TYPE h histogram\n"
             "h_bucket{m=\"x\",le=\"0.1\"} 1\nh_bucket{m=\"x\",le=\"1\"} 2\nh_bucket{m=\"x\",le=\"+Inf\"} 3\n"
             "h_sum{m=\"x\"} 5.3\nh_count{m=\"x\"} 3\n");
}

BOOST_AUTO_TEST_CASE(series_of_one_family_share_its_help_and_type) {
  api::Registry registry;
  registry.counter("c", "Help.", {{"reason", "a"}}).add();
  registry.counter("c", "Help.", {{"reason", "b"}});
  BOOST_TEST(registry.expose() == "# HELP c Help.\n# TYPE c counter\nc{reason=\"a\"} 1\nc{reason=\"b\"} 0\n");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
