#include "sampling/params.hpp"

#include <spdlog/fmt/fmt.h>

#include <cmath>

#include "sampling/sampler.hpp"

namespace llorch::sampling {
namespace {

Result<void> check_range(const char* field, float value, float low, float high) {
  if (!(value >= low && value <= high)) {
    return make_error(ErrorCode::kInvalidArgument,
                      fmt::format("{}: expected a number from {} to {}, found {}", field, low, high, value));
  }
  return {};
}

}  // namespace

Result<void> validate(const Params& params, std::uint32_t vocab_size) {
  const struct {
    const char* field;
    float value, low, high;
  } ranges[] = {
      {"temperature", params.temperature, 0, 2},
      {"top_p", params.top_p, 0, 1},
      {"min_p", params.min_p, 0, 1},
      {"repetition_penalty", params.repetition_penalty, 0, 2},
      {"presence_penalty", params.presence_penalty, -2, 2},
      {"frequency_penalty", params.frequency_penalty, -2, 2},
  };
  for (const auto& r : ranges) {
    if (auto ok = check_range(r.field, r.value, r.low, r.high); !ok) return ok;
  }
  for (const auto& [token, bias] : params.logit_bias) {
    if (token < 0 || static_cast<std::uint32_t>(token) >= vocab_size) {
      return make_error(ErrorCode::kInvalidArgument,
                        fmt::format("logit_bias: expected token ids from 0 to {}, found {}", vocab_size - 1, token));
    }
    if (!std::isfinite(bias)) {
      return make_error(ErrorCode::kInvalidArgument,
                        fmt::format("logit_bias: expected a finite number for token {}, found {}", token, bias));
    }
  }
  return {};
}

}  // namespace llorch::sampling
