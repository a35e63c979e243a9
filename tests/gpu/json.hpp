// The JSON that our own fixtures consist of, read without any library.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace llorch::gpu_check {

struct Json {
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject } kind = Kind::kNull;
  double number = 0;  ///< bool: 0 or 1
  std::string text;
  std::vector<Json> elements;
  std::map<std::string, Json> members;

  /// Throws std::runtime_error with the byte offset where the text is not JSON.
  static Json parse(std::string_view text);

  /// The member of that name; throws std::runtime_error naming it when there is none.
  [[nodiscard]] const Json& at(const std::string& key) const;
  [[nodiscard]] const Json* find(const std::string& key) const;
  template <class T>
  [[nodiscard]] std::vector<T> numbers() const {
    std::vector<T> out;
    for (const Json& e : elements)
      out.push_back(static_cast<T>(e.number));
    return out;
  }
};

/// "text" with quotes, for writing.
std::string json_text(std::string_view text);

}  // namespace llorch::gpu_check
