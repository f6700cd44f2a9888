#include "report/page/texts.h"

#include <array>

namespace salf::report {
namespace {

struct Entry {
  Text name, explanation;
};

const auto& entries() {
  static const auto kEntries = std::array{
#define SALF_TEXT(id, en, ja) Entry{{en, ja}, {}},
#define SALF_TERM(id, en, ja, explained_en, explained_ja) \
  Entry{{en, ja}, {explained_en, explained_ja}},
#include "report/page/texts.inc"
#undef SALF_TEXT
#undef SALF_TERM
  };
  return kEntries;
}

}  // namespace

const Text& text(Word word) { return entries()[static_cast<std::size_t>(word)].name; }
const Text& explanation(Word word) { return entries()[static_cast<std::size_t>(word)].explanation; }

}  // namespace salf::report
