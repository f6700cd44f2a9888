#include "data/rows/overlap.h"

#include "core/hash.h"

namespace salf::data {
namespace {

unsigned bit(Split split) { return 1U << static_cast<unsigned>(split); }

std::string plain(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const bool space = c == ' ' || (c >= '\t' && c <= '\r');
    if (!space) {
      result += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (!result.empty() && result.back() != ' ') {
      result += ' ';
    }
  }
  if (!result.empty() && result.back() == ' ') result.pop_back();
  return result;
}

}  // namespace

void OverlapCounter::add(std::string_view prompt, Split split) {
  const std::uint64_t key = core::stable_hash(plain(prompt));
  entries_.push_back({key, split});
  splits_[key] |= bit(split);
}

void OverlapCounter::count(DataReport& report) const {
  for (const Entry& entry : entries_) {
    const unsigned splits = splits_.at(entry.key);
    const unsigned before_test = bit(Split::kTrain) | bit(Split::kDev);
    if (entry.split == Split::kDev && (splits & bit(Split::kTrain)) != 0) ++report.dev_overlap;
    if (entry.split == Split::kTest && (splits & before_test) != 0) ++report.test_overlap;
  }
}

}  // namespace salf::data
