#include "api/random_id.hpp"

#include <spdlog/fmt/fmt.h>

#include <random>

namespace llorch::api {

std::uint64_t random_seed() {
  // Seeded from the system once a thread; a request is no place to wait for entropy.
  thread_local std::mt19937_64 generator = [] {
    std::random_device device;
    std::seed_seq seeds{device(), device(), device(), device()};
    return std::mt19937_64(seeds);
  }();
  return generator();
}

std::string random_id(std::string_view prefix) {
  return fmt::format("{}{:016x}{:08x}", prefix, random_seed(), static_cast<std::uint32_t>(random_seed()));
}

}  // namespace llorch::api
