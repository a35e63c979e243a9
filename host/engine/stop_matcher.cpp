#include "engine/stop_matcher.hpp"

#include <algorithm>
#include <utility>

namespace llorch::engine {

StopMatcher::StopMatcher(const std::vector<std::string>& stops) {
  patterns_.reserve(stops.size());
  for (const std::string& stop : stops) {
    Pattern p{stop, std::vector<std::size_t>(stop.size() + 1, 0), 0};
    for (std::size_t i = 1, k = 0; i < stop.size(); ++i) {
      while (k > 0 && stop[i] != stop[k]) {
        k = p.border[k];
      }
      if (stop[i] == stop[k]) ++k;
      p.border[i + 1] = k;
    }
    patterns_.push_back(std::move(p));
  }
}

std::optional<std::size_t> StopMatcher::push(std::string_view bytes, std::string& released) {
  if (patterns_.empty()) {
    released.append(bytes);
    return std::nullopt;
  }
  std::size_t held = 0;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    const char c = bytes[at];
    std::optional<std::size_t> match;
    held = 0;
    for (std::size_t i = 0; i < patterns_.size(); ++i) {
      Pattern& p = patterns_[i];
      while (p.matched > 0 && p.text[p.matched] != c) {
        p.matched = p.border[p.matched];
      }
      if (p.text[p.matched] == c) ++p.matched;
      if (p.matched == p.text.size() && (!match || p.text.size() > patterns_[*match].text.size())) match = i;
      held = std::max(held, p.matched);
    }
    if (match) {
      held_.append(bytes.substr(0, at + 1));
      released.append(held_, 0, held_.size() - patterns_[*match].text.size());
      held_.clear();
      return match;
    }
  }
  if (bytes.empty()) return std::nullopt;
  held_.append(bytes);
  const std::size_t free = held_.size() - held;
  released.append(held_, 0, free);
  held_.erase(0, free);
  return std::nullopt;
}

std::string StopMatcher::flush() {
  return std::exchange(held_, {});
}

}  // namespace llorch::engine
