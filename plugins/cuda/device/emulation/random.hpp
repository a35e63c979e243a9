// Quick pseudo-random numbers for the order in which threads run.
#pragma once

#include <cstdint>

namespace llorch::cuda::emulation {

/// SplitMix64 (Steele, Lea, Flood 2014).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30u)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27u)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31u);
  }
  std::uint32_t next16() { return static_cast<std::uint32_t>(next() >> 48u); }

 private:
  std::uint64_t state_;
};

/// 0 to n - 1 from one of them on, forwards or backwards.
class RandomOrder {
 public:
  RandomOrder(std::uint64_t n, Random& random) : n_(n), first_(random.next() % n), backwards_(random.next() % 2 == 1) {}
  std::uint64_t operator[](std::uint64_t i) const { return (first_ + (backwards_ ? n_ - i : i)) % n_; }

 private:
  std::uint64_t n_, first_;
  bool backwards_;
};

}  // namespace llorch::cuda::emulation
