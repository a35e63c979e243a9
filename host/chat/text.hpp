// Text of which each byte is known to come from the template or from outside of it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.hpp"

namespace llorch::chat {

using tokenizer::TextRange;

/// Whether text was written by the template's author or is what users sent.
enum class Origin : std::uint8_t { kTemplate, kForeign };

/// Valid UTF-8 with the ranges of its bytes that are foreign. Everything that builds text out of text goes through
/// append() and slice(), so the ranges follow their bytes through any template.
class Text {
 public:
  Text() = default;
  /// `bytes` must be valid UTF-8.
  explicit Text(std::string bytes, Origin origin = Origin::kTemplate);

  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }  ///< in bytes
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  [[nodiscard]] std::size_t length() const { return length_; }  ///< in code points
  [[nodiscard]] bool is_ascii() const { return length_ == bytes_.size(); }
  /// Ascending, disjoint, none empty.
  [[nodiscard]] const std::vector<TextRange>& foreign() const { return foreign_; }
  [[nodiscard]] bool has_foreign() const { return !foreign_.empty(); }
  [[nodiscard]] Origin origin() const { return has_foreign() ? Origin::kForeign : Origin::kTemplate; }

  /// Bytes [begin, end), which must not cut a character.
  [[nodiscard]] Text slice(std::size_t begin, std::size_t end) const;
  void append(const Text& other) { append(other, 0, other.size()); }
  void append(const Text& other, std::size_t begin, std::size_t end);
  void append(std::string_view bytes, Origin origin);
  /// Byte offset of a code point; size() for length() and beyond.
  [[nodiscard]] std::size_t offset_of(std::size_t code_point) const;

 private:
  void add_foreign(std::size_t begin, std::size_t end);

  std::string bytes_;
  std::size_t length_ = 0;
  std::vector<TextRange> foreign_;
};

/// Applies `change` (string_view to string) to each stretch of one origin: for changes that keep the order of bytes.
template <class Change>
[[nodiscard]] Text map_stretches(const Text& text, Change change) {
  Text out;
  std::size_t done = 0;
  const std::string_view bytes = text.bytes();
  for (const TextRange& range : text.foreign()) {
    if (done < range.begin) out.append(change(bytes.substr(done, range.begin - done)), Origin::kTemplate);
    out.append(change(bytes.substr(range.begin, range.end - range.begin)), Origin::kForeign);
    done = range.end;
  }
  if (done < bytes.size()) out.append(change(bytes.substr(done)), Origin::kTemplate);
  return out;
}

}  // namespace llorch::chat
