#include "tools/text_input.hpp"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <cstdio>
#include <iostream>

namespace llorch::tools {

Result<std::string> read_all(std::istream& in, const std::string& origin) {
  std::string text;
  std::array<char, 1 << 16> buffer{};
  while (in.read(buffer.data(), buffer.size()) || in.gcount() > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(in.gcount()));
  }
  const bool stdin_failed = &in == &std::cin && std::ferror(stdin) != 0;
  if (in.bad() || stdin_failed) return make_error(ErrorCode::kIo, fmt::format("{}: cannot read", origin));
  return text;
}

}  // namespace llorch::tools
