#include "chat/search.hpp"

#include <algorithm>
#include <cstring>
#include <string>

namespace llorch::chat {
namespace {

constexpr std::size_t kBytesPerStep = 8;  // the slowest searches take some 10 ns a byte, a step about 100

// memmem() and not std::string_view::find(), which is quadratic: that begins anew behind each failed start.
std::size_t find_in(std::string_view text, std::string_view sought) {
  const void* found = ::memmem(text.data(), text.size(), sought.data(), sought.size());
  if (found == nullptr) return std::string_view::npos;
  return static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

void spend(Runtime& runtime, std::size_t bytes) {
  runtime.spend(bytes / kBytesPerStep + 1);
}

}  // namespace

std::size_t find_first(Runtime& runtime, std::string_view text, std::string_view sought, std::size_t from) {
  text.remove_prefix(from);
  if (sought.empty() || sought.size() > text.size()) return sought.empty() ? from : std::string_view::npos;
  const std::size_t at = find_in(text, sought);
  spend(runtime, at == std::string_view::npos ? text.size() : at + sought.size());
  return at == std::string_view::npos ? at : from + at;
}

std::size_t find_last(Runtime& runtime, std::string_view text, std::string_view sought) {
  if (sought.empty() || sought.size() > text.size()) return sought.empty() ? text.size() : std::string_view::npos;
  const std::string backwards(sought.rbegin(), sought.rend());
  // There is no memmem() from the end: reversed pieces of the end, each twice the last, so that many searches that find
  // something near (rsplit) do not reverse all of the text many times.
  for (std::size_t size = std::max<std::size_t>(2 * sought.size(), 64);; size *= 2) {
    const std::string_view end = text.substr(text.size() - std::min(size, text.size()));
    spend(runtime, 2 * end.size());
    const std::string piece(end.rbegin(), end.rend());
    const std::size_t at = find_in(piece, backwards);
    if (at != std::string_view::npos) return text.size() - at - sought.size();
    if (end.size() == text.size()) return std::string_view::npos;
  }
}

}  // namespace llorch::chat
