// Typed access to members of a JSON object, with errors that name file, field, expected and found.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "tokenizer/tokenizer.hpp"

namespace llorch::tokenizer {

/// One object of a document. A member that is absent or null reads as nothing. Views into the document, which must
/// outlive it. [any-thread]
class JsonFields {
 public:
  /// `path` is the object's place in the document ("model", "added_tokens[3]"), empty for the root.
  JsonFields(const boost::json::object& object, const std::string& origin, std::string path = {})
      : object_(&object), origin_(&origin), path_(std::move(path)) {}

  [[nodiscard]] Result<bool> boolean(std::string_view key, bool otherwise) const;
  [[nodiscard]] Result<std::optional<std::string_view>> string(std::string_view key) const;
  [[nodiscard]] Result<const boost::json::object*> object(std::string_view key) const;  ///< null when absent
  [[nodiscard]] Result<const boost::json::array*> array(std::string_view key) const;    ///< null when absent
  /// A token id: an integer from 0 to kMaxVocabulary - 1.
  [[nodiscard]] Result<std::optional<TokenId>> token_id(std::string_view key) const;
  /// The value, whatever its type; null when absent or null.
  [[nodiscard]] const boost::json::value* find(std::string_view key) const;

  [[nodiscard]] std::string place(std::string_view key) const;  ///< "model.vocab"
  [[nodiscard]] Error error(std::string_view key, std::string_view expected, std::string_view found,
                            ErrorCode code = ErrorCode::kBadModel) const;
  [[nodiscard]] const boost::json::object& raw() const { return *object_; }
  [[nodiscard]] const std::string& origin() const { return *origin_; }

 private:
  const boost::json::object* object_;
  const std::string* origin_;
  std::string path_;
};

/// "a string", "null", "the number 3" ...: for messages.
[[nodiscard]] std::string describe(const boost::json::value& value);

/// A token id, or nothing when the value is not an integer in range.
[[nodiscard]] std::optional<TokenId> as_token_id(const boost::json::value& value);

/// The document as an object, or an error that names the file.
[[nodiscard]] Result<JsonFields> root_fields(const boost::json::value& document, const std::string& origin);

}  // namespace llorch::tokenizer
