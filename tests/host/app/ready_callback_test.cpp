#include "app/ready_callback.hpp"

#include <boost/test/unit_test.hpp>

#include "base/json.hpp"
#include "support/fake_engine.hpp"

namespace {

using llorch::app::back_off;
using llorch::app::public_uri;

BOOST_AUTO_TEST_SUITE(ready_callback)

BOOST_AUTO_TEST_CASE(pauses_double_up_to_half_a_minute_and_stay_within_their_upper_half) {
  const std::vector<std::int64_t> longest = {500, 1000, 2000, 4000, 8000, 16'000, 30'000, 30'000};
  for (std::uint32_t attempt = 1; attempt <= longest.size(); ++attempt) {
    BOOST_TEST(back_off(attempt, 0.0).count() == longest[attempt - 1] / 2);
    const auto almost = back_off(attempt, 0.999999).count();
    BOOST_TEST(almost >= longest[attempt - 1] - 1);
    BOOST_TEST(almost <= longest[attempt - 1]);
  }
  BOOST_TEST(back_off(4'000'000'000, 0.5).count() == 22'500);
}

BOOST_AUTO_TEST_CASE(the_uri_is_the_address_or_the_machine_for_a_wildcard) {
  BOOST_TEST(public_uri("127.0.0.1", 80) == "http://127.0.0.1:80");
  BOOST_TEST(public_uri("::1", 8080) == "http://[::1]:8080");
  const std::string everywhere = public_uri("0.0.0.0", 1);
  BOOST_TEST(everywhere.find("0.0.0.0") == std::string::npos, everywhere);
  BOOST_TEST(everywhere.ends_with(":1"));
}

BOOST_FIXTURE_TEST_CASE(the_message_carries_what_an_orchestrator_needs, llorch::testing::WorkerFixture) {
  const auto message = llorch::parse_json(llorch::app::ready_message(worker, "http://h:1")).value();
  BOOST_TEST(message.at("worker_id").as_string() == "w0");
  BOOST_TEST(message.at("vram_bytes").as_int64() == 0);
  BOOST_TEST(message.at("uri").as_string() == "http://h:1");
  BOOST_TEST(message.at("context").as_int64() == 64);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
