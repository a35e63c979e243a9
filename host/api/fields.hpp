// Typed access to the members of a request object. Each wrong member adds a fault and the reading goes on.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/fault.hpp"

namespace llorch::api {

/// Whether `null` means "not given" (OpenAI's routes) or is a value of the wrong type (the worker contract).
enum class NullMeans : std::uint8_t { kAbsent, kWrongType };

class Fields {
 public:
  /// `object` and `faults` outlive this.
  Fields(const boost::json::object& object, NullMeans null_means, std::vector<Fault>& faults)
      : object_(object), null_means_(null_means), faults_(faults) {}

  /// The member, or null when it is absent. From now on it counts as known.
  [[nodiscard]] const boost::json::value* find(std::string_view name);

  /// Empty when absent or wrong (then there is a fault). A bound is inclusive.
  [[nodiscard]] std::optional<double> number(std::string_view name, double low, double high);
  /// Written without fraction or exponent. `high` up to 2^64-1, hence unsigned; negative numbers are out of any range.
  [[nodiscard]] std::optional<std::uint64_t> integer(std::string_view name, std::uint64_t low, std::uint64_t high);
  [[nodiscard]] std::optional<bool> boolean(std::string_view name);
  [[nodiscard]] std::optional<std::string> string(std::string_view name);

  /// Strings of 1..max_bytes bytes, at most max_items of them. A lone string counts as a list of one if allowed.
  [[nodiscard]] std::vector<std::string> strings(std::string_view name, std::size_t max_items, std::size_t max_bytes,
                                                 bool lone_string_allowed);

  /// The fields of an object inside of this one; their faults go to the same list.
  [[nodiscard]] Fields nested(const boost::json::object& object) { return {object, null_means_, faults_}; }

  [[nodiscard]] std::size_t fault_count() const { return faults_.size(); }
  void require(std::string_view name);  ///< adds a "required" fault when absent
  void add(std::string field, std::string constraint, std::string message, boost::json::value value);
  /// Names never asked for, cut and cleaned for a log line.
  [[nodiscard]] std::vector<std::string> unknown() const;

 private:
  void wrong_type(std::string_view name, std::string_view expected, const boost::json::value& found);

  const boost::json::object& object_;
  NullMeans null_means_;
  std::vector<Fault>& faults_;
  std::set<std::string, std::less<>> known_;
};

inline constexpr std::size_t kMostIgnored = 16;  ///< names of ignored fields that are reported
/// A field's name, cut and cleaned for a log line.
[[nodiscard]] std::string clean_name(std::string_view name);

/// A number as an unsigned integer, if it is written as one: 7, not 7.0 or -1.
[[nodiscard]] std::optional<std::uint64_t> as_unsigned(const boost::json::value& value);

}  // namespace llorch::api
