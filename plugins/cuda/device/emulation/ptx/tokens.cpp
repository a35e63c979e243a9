#include "cuda/device/emulation/ptx/tokens.hpp"

#include <llorch/plugin.hpp>

#include <algorithm>
#include <map>

namespace llorch::cuda::ptx {
namespace {

bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' ||
         c == '$' || c == '%';
}

}  // namespace

std::vector<Token> tokens_of(std::string_view text, std::size_t at) {
  std::vector<Token> out;
  auto line =
      static_cast<std::uint32_t>(1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
  int depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '\n') ++line;
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++at;
      continue;
    }
    if (text.substr(at, 2) == "//") {
      at = text.find('\n', at);
      continue;
    }
    std::size_t end = at + 1;
    if (c == '"') {
      end = text.find('"', at + 1) + 1;
    } else if (is_word(c)) {
      while (end < text.size() && (is_word(text[end]) || text.substr(end, 2) == "::"))
        end += text[end] == ':' ? 2 : 1;
    }
    out.push_back({text.substr(at, end - at), line});
    at = end;
    if (c == '{') ++depth;
    if (c == '}' && --depth == 0) break;
  }
  return out;
}

std::vector<std::string_view> parts_of(std::string_view opcode) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= opcode.size();) {
    const std::size_t end = std::min(opcode.find('.', begin), opcode.size());
    parts.push_back(opcode.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::uint8_t bytes_of_type(std::string_view type) {
  if (type.starts_with('.')) type.remove_prefix(1);
  static const std::map<std::string_view, std::uint8_t> kTypes = {
      {"pred", 0}, {"b8", 1},  {"u8", 1},  {"s8", 1},  {"b16", 2}, {"u16", 2}, {"s16", 2}, {"f16", 2},
      {"b32", 4},  {"u32", 4}, {"s32", 4}, {"f32", 4}, {"b64", 8}, {"u64", 8}, {"s64", 8}, {"f64", 8}};
  const auto found = kTypes.find(type);
  if (found == kTypes.end()) abi::fail(LLORCH_UNSUPPORTED, "type ", type);
  return found->second;
}

}  // namespace llorch::cuda::ptx
