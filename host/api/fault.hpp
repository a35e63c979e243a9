// What is wrong with a request: every fault, not the first.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <vector>

namespace llorch::api {

/// One fault of one field. `value` is what was sent, or its size or kind where the text itself must not be repeated.
struct Fault {
  std::string field;       ///< "max_tokens", "stop[2]"; empty: the whole body
  std::string constraint;  ///< "required", "integer", "range(1..=2048)", ...
  std::string message;
  boost::json::value value;
};

/// A request as parsed. It is meaningful only when `faults` is empty.
template <class T>
struct Parsed {
  T request;
  std::vector<Fault> faults;
  std::vector<std::string> ignored;  ///< fields nobody here knows, for the log
};

/// {"errors":[{"field","constraint","message","value"}]}; long values are cut.
[[nodiscard]] std::string faults_json(const std::vector<Fault>& faults);

/// All messages in one line, for error shapes that hold one.
[[nodiscard]] std::string faults_line(const std::vector<Fault>& faults);

/// "string", "array", ...: the JSON name of a value's type.
[[nodiscard]] std::string kind_name(const boost::json::value& value);

}  // namespace llorch::api
