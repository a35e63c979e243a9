// Identifiers and seeds that nobody needs to predict.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace llorch::api {

[[nodiscard]] std::uint64_t random_seed();
/// `prefix` and 24 hexadecimal digits.
[[nodiscard]] std::string random_id(std::string_view prefix);

}  // namespace llorch::api
