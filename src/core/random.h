// Random numbers that are equal on every platform (std:: distributions are not), seeded by a seed
// and a purpose.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace salf::core {

// SplitMix64 (Steele, Lea, Flood 2014): one 64-bit state, equidistributed, and enough for sampling.
class Random {
 public:
  // Streams of different purposes ("shuffle/3", "bootstrap") do not overlap in practice.
  Random(std::uint64_t seed, std::string_view purpose);
  explicit Random(std::uint64_t state) : state_(state) {}

  std::uint64_t next();
  double uniform();                          // [0, 1)
  std::uint64_t below(std::uint64_t limit);  // 0 … limit-1, unbiased. REQUIRES: limit > 0
  int poisson_one();                         // Poisson with mean 1
  double normal();                           // standard normal

 private:
  std::uint64_t state_;
};

// 0 … count-1 in random order (Fisher-Yates).
std::vector<std::int64_t> permutation(std::int64_t count, Random& random);

}  // namespace salf::core
