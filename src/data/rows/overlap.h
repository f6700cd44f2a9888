// Do the splits share their prompts? A document that is held out, but whose prompt was trained on
// with another completion, is no test of what was learnt.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "data/rows/dataset.h"

namespace salf::data {

class OverlapCounter {
 public:
  // One document: what it shares with others (the prompt, or a text without one) and its split.
  // Texts that differ in white space or in the case of A-Z only are the same.
  void add(std::string_view prompt, Split split);
  // Dev documents that share theirs with train; test documents that share theirs with train or dev.
  void count(DataReport& report) const;

 private:
  struct Entry {
    std::uint64_t key;
    Split split;
  };
  std::vector<Entry> entries_;
  std::unordered_map<std::uint64_t, unsigned> splits_;  // key -> bits 1 << Split
};

}  // namespace salf::data
