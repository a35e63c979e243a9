#include "tokenizer/token_table.hpp"

#include <algorithm>
#include <cstring>

namespace llorch::tokenizer {
namespace {

std::uint64_t read_u64(const char* p) {
  std::uint64_t value = 0;
  std::memcpy(&value, p, sizeof value);
  return value;
}

std::uint32_t read_u32(const char* p) {
  std::uint32_t value = 0;
  std::memcpy(&value, p, sizeof value);
  return value;
}

std::uint64_t fold_product(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{a} * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace

std::size_t TokenTable::BytesHash::operator()(std::string_view bytes) const {
  constexpr std::uint64_t kFirst = 0x9E3779B97F4A7C15u;
  constexpr std::uint64_t kSecond = 0xD6E8FEB86659FD93u;
  const char* p = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t hash = kFirst ^ left;
  for (; left > 16; left -= 8, p += 8)
    hash = fold_product(hash ^ read_u64(p), kSecond);
  std::uint64_t head = 0;
  std::uint64_t tail = 0;
  if (left >= 8) {
    head = read_u64(p);
    tail = read_u64(p + left - 8);
  } else if (left >= 4) {
    head = read_u32(p);
    tail = read_u32(p + left - 4);
  } else if (left > 0) {
    const auto byte = [p](std::size_t i) { return std::uint64_t{static_cast<std::uint8_t>(p[i])}; };
    head = byte(0) | (byte(left / 2) << 8) | (byte(left - 1) << 16);
  }
  return fold_product(hash ^ head, kSecond ^ tail);
}

void TokenTable::append(std::string_view bytes) {
  arena_.insert(arena_.end(), bytes.begin(), bytes.end());
  begins_.push_back(arena_.size());
}

bool TokenTable::index(std::size_t id) {
  const std::string_view key = bytes(id);
  longest_ = std::max(longest_, key.size());
  return by_bytes_.try_emplace(key, Entry{static_cast<TokenId>(id), false}).second;
}

}  // namespace llorch::tokenizer
