// What a plugin gets from the host: options, cancellation, a log.
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>

#include "plugin/boundary.hpp"
#include "plugin/host_services.hpp"

using llorch::plugin::HostServices;

namespace {
llorch_str text(std::string_view view) {
  return {view.data(), view.size()};
}

/// Replaces the process's logger for one test.
struct CapturedLog {
  std::ostringstream out;
  std::shared_ptr<spdlog::logger> before = spdlog::default_logger();
  CapturedLog() {
    auto logger = std::make_shared<spdlog::logger>("captured", std::make_shared<spdlog::sinks::ostream_sink_mt>(out));
    logger->set_pattern("%l|%v");
    logger->set_level(spdlog::level::trace);
    spdlog::set_default_logger(logger);
  }
  ~CapturedLog() { spdlog::set_default_logger(before); }
  CapturedLog(const CapturedLog&) = delete;
  CapturedLog& operator=(const CapturedLog&) = delete;
};
}  // namespace

BOOST_AUTO_TEST_SUITE(host_services)

BOOST_AUTO_TEST_CASE(an_option_is_given_by_its_key_and_an_unset_one_is_not_found) {
  const HostServices services("tiny", {{"isa", "avx2"}, {"empty", ""}});
  const llorch_host_api& api = *services.table();
  llorch_str value{};
  BOOST_TEST(api.get_option(api.host, "isa", &value) == LLORCH_OK);
  BOOST_TEST(std::string(value.data, value.size) == "avx2");
  BOOST_TEST(api.get_option(api.host, "empty", &value) == LLORCH_OK);
  BOOST_TEST(value.size == 0U);
  BOOST_TEST(api.get_option(api.host, "other", &value) == LLORCH_NOT_FOUND);
  BOOST_TEST(value.data == nullptr);
}

BOOST_AUTO_TEST_CASE(missing_arguments_are_refused) {
  const HostServices services("tiny", {});
  const llorch_host_api& api = *services.table();
  llorch_str value{};
  BOOST_TEST(api.get_option(api.host, nullptr, &value) == LLORCH_INVALID_ARGUMENT);
  BOOST_TEST(api.get_option(api.host, "isa", nullptr) == LLORCH_INVALID_ARGUMENT);
  BOOST_TEST(api.get_option(nullptr, "isa", &value) == LLORCH_INVALID_ARGUMENT);
  BOOST_TEST(api.is_cancelled(nullptr, nullptr) == 0);
}

BOOST_AUTO_TEST_CASE(cancellation_is_per_context_and_ends_with_it) {
  HostServices services("tiny", {});
  const llorch_host_api& api = *services.table();
  int one = 0;
  int two = 0;
  const auto* first = reinterpret_cast<const llorch_context*>(&one);
  const auto* second = reinterpret_cast<const llorch_context*>(&two);
  std::atomic<bool> first_flag{false};
  const std::atomic<bool> second_flag{false};
  services.watch(first, &first_flag);
  services.watch(second, &second_flag);
  BOOST_TEST(api.is_cancelled(api.host, first) == 0);
  first_flag = true;
  BOOST_TEST(api.is_cancelled(api.host, first) == 1);
  BOOST_TEST(api.is_cancelled(api.host, second) == 0);
  services.forget(first);
  BOOST_TEST(api.is_cancelled(api.host, first) == 0);
}

BOOST_AUTO_TEST_CASE(a_message_carries_the_plugins_name_and_its_level) {
  CapturedLog log;
  const HostServices services("tiny", {});
  const llorch_host_api& api = *services.table();
  api.log(api.host, LLORCH_LOG_WARN, text("low on memory"));
  api.log(api.host, LLORCH_LOG_ERROR, text("gone"));
  api.log(api.host, 99, text("worse"));
  api.log(api.host, LLORCH_LOG_INFO, text("{} is no format"));
  BOOST_TEST(log.out.str() ==
             "warning|tiny: low on memory\nerror|tiny: gone\nerror|tiny: worse\ninfo|tiny: {} is no format\n");
}

BOOST_AUTO_TEST_CASE(a_message_without_text_or_of_absurd_length_does_no_harm) {
  CapturedLog log;
  const HostServices services("tiny", {});
  const llorch_host_api& api = *services.table();
  api.log(api.host, LLORCH_LOG_INFO, {nullptr, 7});
  BOOST_TEST(log.out.str().empty());
  const std::string endless(100000, 'x');
  api.log(api.host, LLORCH_LOG_INFO, text(endless));
  BOOST_TEST(log.out.str().size() < 5000U);
}

BOOST_AUTO_TEST_CASE(every_status_has_a_name_and_unknown_ones_their_meaning) {
  using llorch::ErrorCode;
  using llorch::plugin::error_code_of;
  BOOST_TEST(llorch::plugin::status_name(LLORCH_BAD_MODEL) == "BAD_MODEL");
  BOOST_TEST(llorch::plugin::status_name(-77) == "status -77");
  BOOST_TEST((error_code_of(LLORCH_NO_KV_SPACE) == ErrorCode::kResourceExhausted));
  BOOST_TEST((error_code_of(LLORCH_CANCELLED) == ErrorCode::kCancelled));
  BOOST_TEST((error_code_of(LLORCH_OUT_OF_MEMORY) == ErrorCode::kOutOfMemory));
  BOOST_TEST((error_code_of(9) == ErrorCode::kResourceExhausted));
  BOOST_TEST((error_code_of(-77) == ErrorCode::kInternal));
}

BOOST_AUTO_TEST_SUITE_END()
