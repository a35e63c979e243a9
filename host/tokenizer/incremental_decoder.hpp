// Token by token to text that is always whole UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace llorch::tokenizer {

/// Holds back the bytes of a character until it is complete. Bytes that can never become valid UTF-8 come out as
/// U+FFFD, once per maximal invalid subpart (Unicode 15, section 3.9). One per sequence; not thread-safe.
class IncrementalDecoder {
 public:
  /// Appends a token's bytes; returns what has become complete (may be empty).
  [[nodiscard]] std::string push(std::string_view bytes);
  /// End of the sequence: what is still held comes out as U+FFFD.
  [[nodiscard]] std::string flush();
  [[nodiscard]] bool pending() const { return !held_.empty(); }

 private:
  std::string held_;
};

}  // namespace llorch::tokenizer
