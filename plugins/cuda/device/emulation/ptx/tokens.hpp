// The words and signs of PTX.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace llorch::cuda::ptx {

struct Token {
  std::string_view text;
  std::uint32_t line;
};

/// From `at` to the end of the braces that open first. They point into `text`.
[[nodiscard]] std::vector<Token> tokens_of(std::string_view text, std::size_t at);
/// "ld", "global", "u32" of "ld.global.u32".
[[nodiscard]] std::vector<std::string_view> parts_of(std::string_view opcode);
/// Of a type: "u32", ".b16"; 0 of "pred". Throws abi::Failure for others.
[[nodiscard]] std::uint8_t bytes_of_type(std::string_view type);

}  // namespace llorch::cuda::ptx
