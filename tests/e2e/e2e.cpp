#include "e2e/e2e.hpp"

namespace llorch::testing {
namespace {

std::unique_ptr<WorkerProcess>& slot() {
  static std::unique_ptr<WorkerProcess> worker;
  return worker;
}

struct StopSharedWorker {
  ~StopSharedWorker() { slot().reset(); }
};
BOOST_TEST_GLOBAL_FIXTURE(StopSharedWorker);

}  // namespace

WorkerProcess& shared_worker() {
  if (!slot()) slot() = std::make_unique<WorkerProcess>();
  return *slot();
}

Outcome run_to_end(const std::vector<std::string>& arguments, const std::vector<std::string>& environment,
                   const std::string& input, std::chrono::seconds patience) {
  ChildProcess process(arguments, environment, input);
  const auto code = process.wait(patience);
  BOOST_TEST_REQUIRE(code.has_value(), "still running");
  return {*code, process.output, process.errors};
}

std::vector<Event> events_of(const std::string& stream) {
  std::vector<Event> events;
  Event event;
  for (std::size_t at = 0; at < stream.size();) {
    const std::size_t end = stream.find('\n', at);
    BOOST_TEST_REQUIRE(end != std::string::npos, "the stream ends within a line");
    const std::string line = stream.substr(at, end - at);
    at = end + 1;
    if (line.empty()) {
      events.push_back(std::exchange(event, {}));
    } else if (line.starts_with("event: ")) {
      event.name = line.substr(7);
    } else {
      BOOST_TEST_REQUIRE(line.starts_with("data: "), line);
      event.data = line.substr(6);
    }
  }
  return events;
}

std::string text_of(const std::vector<Event>& events) {
  std::string text;
  for (const Event& event : events) {
    if (event.data == "[DONE]") continue;
    const boost::json::value data = json_of(event.data);
    if (event.name == "token") text += std::string(data.at("t").as_string());
    if (!event.name.empty() || data.at("choices").as_array().empty()) continue;
    const boost::json::value& choice = data.at("choices").at(0);
    if (choice.at("index").as_int64() == 0) text += std::string(choice.at("text").as_string());
  }
  return text;
}

boost::json::value json_of(const std::string& text) {
  const Result<boost::json::value> value = parse_json(text);
  BOOST_TEST_REQUIRE(value.has_value(), text);
  return *value;
}

}  // namespace llorch::testing
