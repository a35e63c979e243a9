// The chunked coding, fed whole and byte by byte: data, extensions, trailers, and each way to break it.
#include "http/chunked_decoder.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

using namespace llorch::http;
using namespace std::string_literals;

namespace {

struct Outcome {
  std::string body;
  std::size_t used = 0;
  unsigned status = 0;  // 0: fine
  bool done = false;
};

Outcome decode(const std::string& bytes, std::size_t step, std::size_t max_body = 100) {
  ChunkedDecoder decoder(max_body);
  Outcome outcome;
  while (outcome.used < bytes.size() && !decoder.done() && !decoder.fault()) {
    outcome.used += decoder.feed(std::string_view(bytes).substr(outcome.used, step), &outcome.body);
  }
  outcome.done = decoder.done();
  if (decoder.fault()) outcome.status = decoder.fault()->status;
  return outcome;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(http_chunked_decoder)

BOOST_AUTO_TEST_CASE(well_formed_bodies_give_their_data_and_leave_the_rest) {
  struct Row {
    const char* bytes;
    const char* body;
  };
  const Row table[] = {
      {"0\r\n\r\n", ""},
      {"5\r\nhello\r\n0\r\n\r\n", "hello"},
      {"1\r\na\r\nA\r\n0123456789\r\n0\r\n\r\n", "a0123456789"},
      {"00000000000000a\r\n0123456789\r\n000\r\n\r\n", "0123456789"},
      {"2;name=value;x=\"y\"\r\n\r\n\r\n0;last\r\n\r\n", "\r\n"},
      {"2 \t;x\r\nab\r\n0\r\n\r\n", "ab"},
      {"1\r\na\r\n0\r\nContent-Length: 5\r\nX-Trailer: y\r\n\r\n", "a"},
  };
  for (const Row& row : table) {
    const std::string with_next = std::string(row.bytes) + "GET /next";
    for (const std::size_t step : {std::size_t{1}, std::size_t{2}, std::size_t{3}, with_next.size()}) {
      const Outcome outcome = decode(with_next, step);
      BOOST_TEST(outcome.done, row.bytes);
      BOOST_TEST(outcome.body == row.body, row.bytes);
      BOOST_TEST(outcome.used == std::string(row.bytes).size(), row.bytes);
    }
  }
}

BOOST_AUTO_TEST_CASE(malformed_bodies_are_400_however_they_arrive) {
  for (const std::string& bytes : {"\r\n"s,
                                   "g\r\n"s,
                                   "-1\r\n"s,
                                   "+1\r\na"s,
                                   "0x1\r\na"s,
                                   " 1\r\na"s,
                                   "1 \r\na"s,
                                   "1\na\r\n"s,
                                   "1\r\na\n"s,
                                   "1\r\nab\r\n"s,
                                   "1\r\r\na"s,
                                   "00000000000000001\r\na"s,
                                   "1ffffffffffffffff\r\n"s,
                                   ";x\r\n"s,
                                   "1;a\nb\r\n"s,
                                   "1;a\0b\r\n"s,
                                   "1;a\rb"s,
                                   "0\r\n\n"s,
                                   "0\r\nA: b\n\r\n"s,
                                   "0\r\nA:\0\r\n\r\n"s,
                                   "0\r\n\rX"s,
                                   "1\r\na0\r\n\r\n"s}) {
    for (const std::size_t step : {std::size_t{1}, bytes.size()}) {
      const Outcome outcome = decode(bytes, step);
      BOOST_TEST(outcome.status == 400U, bytes << ": expected 400, found " << outcome.status);
    }
  }
}

BOOST_AUTO_TEST_CASE(the_body_limit_holds_from_the_size_line_on) {
  BOOST_TEST(decode("64\r\n", 1).status == 0U);
  BOOST_TEST(decode("65\r\n", 1).status == 413U);
  BOOST_TEST(decode("ffffffffffffffff\r\n", 1).status == 413U);
  BOOST_TEST(decode("1\r\na\r\nffffffffffffffff\r\n", 1).status == 413U);
  BOOST_TEST(decode("63\r\n" + std::string(99, 'x') + "\r\n2\r\n", 7).status == 413U);
  BOOST_TEST(decode("63\r\n" + std::string(99, 'x') + "\r\n1\r\n", 7).status == 0U);
}

BOOST_AUTO_TEST_CASE(extensions_and_trailers_are_bounded_over_the_whole_body) {
  const std::string many(ChunkedDecoder::kMaxOverhead, 'e');
  BOOST_TEST(decode("1;" + many + "\r\na\r\n0\r\n\r\n", 1000).done);
  BOOST_TEST(decode("1;" + many + "e", 1000).status == 400U);
  BOOST_TEST(decode("1;" + many + "\r\na\r\n1;e", 1000).status == 400U);
  BOOST_TEST(decode("1" + std::string(ChunkedDecoder::kMaxOverhead + 1, ' '), 1000).status == 0U);
  BOOST_TEST(decode("1" + std::string(ChunkedDecoder::kMaxOverhead + 2, ' '), 1000).status == 400U);
  BOOST_TEST(decode("0\r\n" + many + "\r\n\r\n", 1000).done);
  BOOST_TEST(decode("0\r\n" + many + "\r\nA", 1000).status == 400U);
}

BOOST_AUTO_TEST_CASE(many_tiny_chunks_cost_linear_time_and_no_stack) {
  std::string bytes;
  for (int i = 0; i < 300'000; ++i)
    bytes += "1\r\nx\r\n";
  bytes += "0\r\n\r\n";
  const Outcome outcome = decode(bytes, 16 * 1024, 300'000);
  BOOST_TEST(outcome.done);
  BOOST_TEST(outcome.body.size() == 300'000U);
}

BOOST_AUTO_TEST_SUITE_END()
