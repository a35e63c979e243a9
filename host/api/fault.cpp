#include "api/fault.hpp"

#include <boost/json/serialize.hpp>

#include "api/json_writer.hpp"

namespace llorch::api {
namespace {

constexpr std::size_t kLongestValue = 256;  // bytes of JSON; beyond that only the kind is repeated

void write_value(JsonWriter& json, const boost::json::value& value) {
  json.key("value");
  if (value.is_string() && value.get_string().size() > kLongestValue) {
    json.value("string of " + std::to_string(value.get_string().size()) + " bytes");
    return;
  }
  if (value.is_array() || value.is_object()) {
    json.value(kind_name(value));
    return;
  }
  json.raw(boost::json::serialize(value));
}

}  // namespace

std::string kind_name(const boost::json::value& value) {
  switch (value.kind()) {
    case boost::json::kind::null:
      return "null";
    case boost::json::kind::bool_:
      return "boolean";
    case boost::json::kind::int64:
    case boost::json::kind::uint64:
      return "integer";
    case boost::json::kind::double_:
      return "number";
    case boost::json::kind::string:
      return "string";
    case boost::json::kind::array:
      return "array";
    case boost::json::kind::object:
      return "object";
  }
  return "unknown";
}

std::string faults_json(const std::vector<Fault>& faults) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("errors").begin_array();
  for (const Fault& fault : faults) {
    json.begin_object()
        .member("field", fault.field)
        .member("constraint", fault.constraint)
        .member("message", fault.message);
    write_value(json, fault.value);
    json.end_object();
  }
  json.end_array().end_object();
  return out;
}

std::string faults_line(const std::vector<Fault>& faults) {
  std::string line;
  for (const Fault& fault : faults) {
    if (!line.empty()) line += "; ";
    line += fault.message;
  }
  return line;
}

}  // namespace llorch::api
