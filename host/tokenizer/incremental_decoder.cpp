#include "tokenizer/incremental_decoder.hpp"

#include "tokenizer/utf8.hpp"

namespace llorch::tokenizer {
namespace {
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
}

std::string IncrementalDecoder::push(std::string_view bytes) {
  held_.append(bytes);
  std::string out;
  out.reserve(held_.size());
  std::size_t at = 0;
  while (at < held_.size()) {
    const Utf8Step step = decode_utf8(held_, at);
    if (step.status == Utf8Status::kTruncated) break;
    if (step.status == Utf8Status::kValid) {
      out.append(held_, at, step.length);
    } else {
      out.append(kReplacement);
    }
    at += step.length;
  }
  held_.erase(0, at);
  return out;
}

std::string IncrementalDecoder::flush() {
  // push() keeps at most one truncated character, which is one maximal invalid subpart.
  const bool had_bytes = !held_.empty();
  held_.clear();
  return had_bytes ? std::string(kReplacement) : std::string();
}

}  // namespace llorch::tokenizer
