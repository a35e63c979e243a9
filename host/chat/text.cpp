#include "chat/text.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace llorch::chat {

Text::Text(std::string bytes, Origin origin) : bytes_(std::move(bytes)), length_(count_code_points(bytes_)) {
  if (origin == Origin::kForeign && !bytes_.empty()) foreign_.push_back({0, bytes_.size()});
}

Text Text::slice(std::size_t begin, std::size_t end) const {
  Text out;
  out.append(*this, begin, end);
  return out;
}

void Text::append(const Text& other, std::size_t begin, std::size_t end) {
  if (begin >= end) return;
  const std::size_t shift = bytes_.size();
  const std::string_view piece = std::string_view(other.bytes_).substr(begin, end - begin);
  length_ += piece.size() == other.size() ? other.length_ : count_code_points(piece);
  auto range = std::lower_bound(other.foreign_.begin(), other.foreign_.end(), begin,
                                [](const TextRange& candidate, std::size_t at) { return candidate.end <= at; });
  for (; range != other.foreign_.end() && range->begin < end; ++range) {
    add_foreign(shift + std::max(range->begin, begin) - begin, shift + std::min(range->end, end) - begin);
  }
  bytes_.append(piece);
}

void Text::append(std::string_view bytes, Origin origin) {
  if (bytes.empty()) return;
  if (origin == Origin::kForeign) add_foreign(bytes_.size(), bytes_.size() + bytes.size());
  length_ += count_code_points(bytes);
  bytes_.append(bytes);
}

std::size_t Text::offset_of(std::size_t code_point) const {
  if (code_point >= length_) return bytes_.size();
  if (is_ascii()) return code_point;
  std::size_t at = 0;
  for (; code_point > 0; --code_point)
    at += utf8_sequence_length(std::string_view(bytes_).substr(at));
  return at;
}

void Text::add_foreign(std::size_t begin, std::size_t end) {
  if (!foreign_.empty() && foreign_.back().end == begin) {
    foreign_.back().end = end;
  } else {
    foreign_.push_back({begin, end});
  }
}

}  // namespace llorch::chat
