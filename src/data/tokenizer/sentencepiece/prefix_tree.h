// A tree of byte strings that finds those at a place of a text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace salf::data {

// Built once, then only read.
class PrefixTree {
 public:
  static constexpr std::int32_t kNone = -1;
  static constexpr std::int32_t kRoot = 0;

  struct Match {
    std::size_t length = 0;  // bytes of the key; 0: no key
    std::int32_t value = kNone;
  };

  // `value` >= 0. The value of a key that is there already is replaced.
  void insert(std::string_view key, std::int32_t value);

  // The longest key that `text` begins with.
  Match longest(std::string_view text) const;

  // The node of one byte more, or kNone.
  std::int32_t child(std::int32_t node, unsigned char byte) const {
    return slots_[slot(static_cast<std::uint64_t>(node) << 8U | byte)].node;
  }
  // The value of the key that ends here, or kNone.
  std::int32_t value(std::int32_t node) const { return values_[static_cast<std::size_t>(node)]; }

 private:
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t key = kEmpty;  // node * 256 + byte
    std::int32_t node = kNone;
  };
  std::size_t slot(std::uint64_t key) const {
    const std::uint64_t mask = slots_.size() - 1;
    std::uint64_t index = (key * 0x9E3779B97F4A7C15ULL) >> 20U & mask;  // Fibonacci hashing
    while (slots_[index].key != key && slots_[index].key != kEmpty) index = (index + 1) & mask;
    return index;
  }
  void grow();

  std::vector<Slot> slots_ = std::vector<Slot>(16);  // a power of two, at most half full
  std::vector<std::int32_t> values_{kNone};          // of each node
};

}  // namespace salf::data
