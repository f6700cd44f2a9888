#include "core/random.h"

#include <cmath>
#include <string>
#include <utility>

#include "core/hash.h"

namespace salf::core {

Random::Random(std::uint64_t seed, std::string_view purpose)
    : state_(stable_hash(std::to_string(seed) + "/" + std::string(purpose))) {}

std::uint64_t Random::next() {
  state_ += 0x9E3779B97F4A7C15ULL;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31U);
}

double Random::uniform() { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }

std::uint64_t Random::below(std::uint64_t limit) {
  // The first 2^64 mod limit values would make small results a little likelier.
  const std::uint64_t biased = (0 - limit) % limit;
  std::uint64_t value = next();
  while (value < biased) value = next();
  return value % limit;
}

int Random::poisson_one() {
  // Inversion: the smallest k with u < P(X <= k); the bound ends the loop where the sum stops
  // growing.
  constexpr int kLargest = 20;
  const double u = uniform();
  double probability = std::exp(-1.0);
  double cumulative = probability;
  int k = 0;
  while (u >= cumulative && k < kLargest) {
    ++k;
    probability /= k;
    cumulative += probability;
  }
  return k;
}

double Random::normal() {
  // Box-Muller; 1 - u is never 0.
  constexpr double kTwoPi = 6.283185307179586476925;
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(kTwoPi * uniform());
}

std::vector<std::int64_t> permutation(std::int64_t count, Random& random) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[static_cast<std::size_t>(random.below(i))]);
  }
  return order;
}

}  // namespace salf::core
