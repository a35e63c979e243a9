// Typed access to a Hugging Face config.json, with messages that name the file and the key.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace llorch::model_file {

/// Borrows the object and the path. A key that is absent or null counts as not given.
class ConfigReader {
 public:
  ConfigReader(const boost::json::object& object, const std::string& origin) : object_(object), origin_(origin) {}

  [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }
  [[nodiscard]] Result<std::uint64_t> u64(std::string_view key) const;
  [[nodiscard]] Result<double> f64_or(std::string_view key, double otherwise) const;
  [[nodiscard]] Result<bool> bool_or(std::string_view key, bool otherwise) const;
  [[nodiscard]] Result<std::string_view> string(std::string_view key) const;
  [[nodiscard]] Result<std::string_view> string_or(std::string_view key, std::string_view otherwise) const;

  [[nodiscard]] Error bad(std::string_view key, std::string_view what) const;
  [[nodiscard]] Error unsupported(std::string_view key, std::string_view what) const;

 private:
  [[nodiscard]] const boost::json::value* find(std::string_view key) const;

  const boost::json::object& object_;
  const std::string& origin_;
};

}  // namespace llorch::model_file
