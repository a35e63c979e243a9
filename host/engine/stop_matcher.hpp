// Finds stop strings in a byte stream, whatever the token borders, in time linear in the text.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llorch::engine {

/// Holds back bytes that may be the beginning of a stop string. The match that ends first wins; of several that end at
/// the same byte the longest, hence the one that begins first. So the result never depends on how the text was cut.
class StopMatcher {
 public:
  /// `stops`: not empty each; at most a handful (time is linear in text * number of stops).
  explicit StopMatcher(const std::vector<std::string>& stops);

  /// Appends to `released` what can no longer be part of a stop string. Returns the index of the stop that matched;
  /// its own bytes and all later ones are dropped, and the matcher must not be fed again.
  [[nodiscard]] std::optional<std::size_t> push(std::string_view bytes, std::string& released);
  /// End of the text without a match: what is still held belongs to the answer.
  [[nodiscard]] std::string flush();

 private:
  /// Knuth, Morris, Pratt 1977: `border[i]` is the length of the longest proper border of the first i bytes.
  struct Pattern {
    std::string text;
    std::vector<std::size_t> border;
    std::size_t matched = 0;  ///< length of the longest prefix of `text` that ends the stream so far
  };
  std::vector<Pattern> patterns_;
  std::string held_;
};

}  // namespace llorch::engine
