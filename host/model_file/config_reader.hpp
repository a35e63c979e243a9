// Typed access to a Hugging Face config.json, with messages that name the file, the key, what was expected and found.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace llorch::model_file {

/// A JSON value for a message: numbers and truth values as they are, a string in quotes, otherwise its kind.
[[nodiscard]] std::string found_text(const boost::json::value& value);

/// Borrows what it is given. A key that is absent or null counts as not given. [any-thread]
class ConfigReader {
 public:
  /// `parent`: where in the file the object is, for messages ("rope_scaling"); empty for the whole file.
  ConfigReader(const boost::json::object& object, const std::string& origin, std::string_view parent = {})
      : object_(object), origin_(origin), parent_(parent) {}

  [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }
  /// The key is there and says null, which some defaults tell from a key that is absent.
  [[nodiscard]] bool says_null(std::string_view key) const;

  [[nodiscard]] Result<std::uint64_t> u64(std::string_view key) const;
  /// From 1 to `most`.
  [[nodiscard]] Result<std::uint64_t> size(std::string_view key, std::uint64_t most) const;
  [[nodiscard]] Result<double> f64_or(std::string_view key, double otherwise) const;
  /// Above 0.
  [[nodiscard]] Result<double> positive(std::string_view key) const;
  [[nodiscard]] Result<double> positive_or(std::string_view key, double otherwise) const;
  [[nodiscard]] Result<bool> bool_or(std::string_view key, bool otherwise) const;
  [[nodiscard]] Result<std::string_view> string(std::string_view key) const;
  [[nodiscard]] Result<std::string_view> string_or(std::string_view key, std::string_view otherwise) const;

  [[nodiscard]] Error bad(std::string_view key, std::string_view what) const;
  [[nodiscard]] Error unsupported(std::string_view key, std::string_view what) const;
  /// kBadModel: the key should hold `expected`; says what it holds, or that it is missing.
  [[nodiscard]] Error unexpected(std::string_view key, std::string_view expected) const;

 private:
  [[nodiscard]] const boost::json::value* find(std::string_view key) const;
  [[nodiscard]] std::string path(std::string_view key) const;

  const boost::json::object& object_;
  const std::string& origin_;
  std::string_view parent_;
};

}  // namespace llorch::model_file
