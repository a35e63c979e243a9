#include "base/json.hpp"

#include <spdlog/fmt/fmt.h>

#include <boost/json/array.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/text.hpp"

namespace llorch {
namespace {

namespace json = boost::json;
using ErrorCodeRef = boost::system::error_code&;

/// Receives the parser's events and builds the document. Boost's own builder lets the last of two equal keys win and
/// rounds large integers; this one refuses both.
class DocumentBuilder {
 public:
  // Required by basic_parser. The limits of this document are runtime values, checked below.
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);  // NOLINT(readability-identifier-naming)
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);   // NOLINT(readability-identifier-naming)
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);     // NOLINT(readability-identifier-naming)
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);  // NOLINT(readability-identifier-naming)

  explicit DocumentBuilder(const JsonLimits& limits) : limits_(limits) {}

  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] json::value take() { return std::move(root_); }

  bool on_document_begin(ErrorCodeRef) { return true; }
  bool on_document_end(ErrorCodeRef) { return true; }
  bool on_array_begin(ErrorCodeRef) { return open(json::value(json::array_kind)); }
  bool on_array_end(std::size_t, ErrorCodeRef ec) { return close(ec); }
  bool on_object_begin(ErrorCodeRef) { return open(json::value(json::object_kind)); }
  bool on_object_end(std::size_t, ErrorCodeRef ec) { return close(ec); }

  bool on_string_part(json::string_view part, std::size_t total, ErrorCodeRef ec) { return append(part, total, ec); }
  bool on_string(json::string_view part, std::size_t total, ErrorCodeRef ec) {
    if (!append(part, total, ec)) return false;
    return add(json::value(json::string_view(std::exchange(text_, {}))), ec);
  }
  bool on_key_part(json::string_view part, std::size_t total, ErrorCodeRef ec) { return append(part, total, ec); }
  bool on_key(json::string_view part, std::size_t total, ErrorCodeRef ec) {
    if (!append(part, total, ec)) return false;
    Frame& frame = frames_.back();
    frame.key = std::exchange(text_, {});
    // Checked here rather than when the value arrives, so that the offset points at the second key.
    if (frame.container.get_object().contains(frame.key))
      return fail(fmt::format("key {} appears twice in one object", quote(frame.key)), ec);
    return true;
  }

  bool on_number_part(json::string_view part, ErrorCodeRef) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool on_int64(std::int64_t number, json::string_view, ErrorCodeRef ec) {
    text_.clear();
    return add(json::value(number), ec);
  }
  bool on_uint64(std::uint64_t number, json::string_view, ErrorCodeRef ec) {
    text_.clear();
    return add(json::value(number), ec);
  }
  bool on_double(double approximate, json::string_view part, ErrorCodeRef ec) {
    text_.append(part.data(), part.size());
    const std::string digits = std::exchange(text_, {});
    if (!limits_.wide_integers && digits.find_first_of(".eE") == std::string::npos)
      return fail("integer needs more than 64 bits", ec);
    // The parser's own conversion may be off by an ulp; from_chars rounds correctly.
    double value = 0;
    const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (status == std::errc::result_out_of_range && std::abs(approximate) < 1) {
      value = digits.front() == '-' ? -0.0 : 0.0;
    } else if (status != std::errc{} || !std::isfinite(value)) {
      return fail("number does not fit a double", ec);
    }
    return add(json::value(value), ec);
  }
  bool on_bool(bool value, ErrorCodeRef ec) { return add(json::value(value), ec); }
  bool on_null(ErrorCodeRef ec) { return add(json::value(nullptr), ec); }
  bool on_comment_part(json::string_view, ErrorCodeRef) { return true; }
  bool on_comment(json::string_view, ErrorCodeRef) { return true; }

 private:
  struct Frame {
    json::value container;
    std::string key;  ///< of the member whose value comes next
  };

  bool fail(std::string message, ErrorCodeRef ec) {
    failure_ = std::move(message);
    ec = json::make_error_code(json::error::syntax);
    return false;
  }

  bool append(json::string_view part, std::size_t total, ErrorCodeRef ec) {
    if (total > limits_.max_string_bytes)
      return fail(fmt::format("string longer than {} bytes", limits_.max_string_bytes), ec);
    text_.append(part.data(), part.size());
    return true;
  }

  bool open(json::value container) {
    frames_.push_back({std::move(container), {}});
    return true;
  }

  bool close(ErrorCodeRef ec) {
    json::value finished = std::move(frames_.back().container);
    frames_.pop_back();
    return add(std::move(finished), ec);
  }

  bool add(json::value value, ErrorCodeRef ec) {
    if (frames_.empty()) {
      root_ = std::move(value);
      return true;
    }
    if (++values_ > limits_.max_values) return fail(fmt::format("more than {} values", limits_.max_values), ec);
    Frame& frame = frames_.back();
    if (frame.container.is_object()) {
      frame.container.get_object().emplace(frame.key, std::move(value));
    } else {
      frame.container.get_array().push_back(std::move(value));
    }
    return true;
  }

  const JsonLimits& limits_;
  std::vector<Frame> frames_;
  std::string text_;  ///< string, key or number seen so far
  std::size_t values_ = 0;
  json::value root_;
  std::string failure_;
};

}  // namespace

Result<json::value> parse_json(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return make_error(ErrorCode::kInvalidArgument,
                      fmt::format("JSON of {} bytes: at most {} are accepted", text.size(), limits.max_bytes));
  }
  json::parse_options options;
  options.max_depth = limits.max_depth;
  json::basic_parser<DocumentBuilder> parser(options, limits);
  boost::system::error_code ec;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), ec);
  if (ec) {
    std::string reason = parser.handler().failure();
    if (reason.empty()) {
      if (ec == json::error::too_deep) {
        reason = fmt::format("nested deeper than {} levels", limits.max_depth);
      } else {
        reason = is_utf8(text) ? ec.message() : "not valid UTF-8";
      }
    }
    return make_error(ErrorCode::kInvalidArgument, fmt::format("invalid JSON at byte {}: {}", used, reason));
  }
  if (used < text.size()) {
    return make_error(ErrorCode::kInvalidArgument,
                      fmt::format("invalid JSON at byte {}: text after the end of the document", used));
  }
  return parser.handler().take();
}

}  // namespace llorch
