// What the end-to-end tests share: one worker for those that leave it as it was, and the reading of streams.
#pragma once

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "support/worker_process.hpp"

namespace llorch::testing {

/// Started by the first test that asks for it; stopped before the program ends.
WorkerProcess& shared_worker();

/// How a program ended, and what it wrote.
struct Outcome {
  int code;
  std::string output, errors;
};

/// Runs a program with exactly this environment; fails the test when it runs longer than it may.
Outcome run_to_end(const std::vector<std::string>& arguments, const std::vector<std::string>& environment = {},
                   const std::string& input = {}, std::chrono::seconds patience = std::chrono::seconds(60));

struct Event {
  std::string name;  ///< empty in OpenAI's streams
  std::string data;
};

/// The events of a text/event-stream; fails the test at a line that is neither event, data nor the empty one between.
std::vector<Event> events_of(const std::string& stream);

/// The concatenated text of an /execute stream or of choice 0 of a completion stream.
std::string text_of(const std::vector<Event>& events);

boost::json::value json_of(const std::string& text);

}  // namespace llorch::testing
