#include "data/tokenizer/sentencepiece/prefix_tree.h"

#include <utility>

namespace salf::data {

void PrefixTree::insert(std::string_view key, std::int32_t value) {
  std::int32_t node = kRoot;
  for (const char letter : key) {
    const std::uint64_t edge =
        static_cast<std::uint64_t>(node) << 8U | static_cast<unsigned char>(letter);
    Slot& found = slots_[slot(edge)];
    if (found.node != kNone) {
      node = found.node;
      continue;
    }
    node = static_cast<std::int32_t>(values_.size());
    found = {edge, node};
    values_.push_back(kNone);
    if (2 * values_.size() > slots_.size()) grow();
  }
  values_[static_cast<std::size_t>(node)] = value;
}

PrefixTree::Match PrefixTree::longest(std::string_view text) const {
  Match longest;
  std::int32_t node = kRoot;
  for (std::size_t i = 0; i < text.size(); ++i) {
    node = child(node, static_cast<unsigned char>(text[i]));
    if (node == kNone) break;
    if (value(node) != kNone) longest = {i + 1, value(node)};
  }
  return longest;
}

void PrefixTree::grow() {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(2 * slots_.size()));
  for (const Slot& entry : old) {
    if (entry.node != kNone) slots_[slot(entry.key)] = entry;
  }
}

}  // namespace salf::data
