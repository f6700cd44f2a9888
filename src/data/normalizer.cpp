#include "normalizer.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/uniset.h>

#include <limits>

#include "salf/core/error.h"
#include "salf/core/log.h"

namespace salf::data {
namespace {

void check(UErrorCode status) {
  if (U_FAILURE(status) != 0) {
    throw Error(ErrorKind::kInternal,
                std::string("Unicode normalisation failed: ") + u_errorName(status));
  }
}

// NFC as Hugging Face's tokenizers know it: its tables are those of Unicode 9, and younger
// combining marks stay where they are.
const icu::Normalizer2& composition() {
  static const icu::UnicodeSet known = [] {
    UErrorCode status = U_ZERO_ERROR;
    icu::UnicodeSet set(u"[:age=9.0:]", status);
    check(status);
    set.freeze();
    return set;
  }();
  static const icu::FilteredNormalizer2 filtered = [] {
    UErrorCode status = U_ZERO_ERROR;
    const icu::Normalizer2* nfc = icu::Normalizer2::getNFCInstance(status);
    check(status);
    return icu::FilteredNormalizer2(*nfc, known);
  }();
  return filtered;
}

}  // namespace

Normalizer::Normalizer(const std::optional<JsonView>& normalizer) {
  if (normalizer) read(*normalizer);
  if (compose_) composition();  // a failure shows here and not at the first text
}

void Normalizer::read(const JsonView& normalizer) {
  const JsonView type = normalizer.at("type");
  if (type.text() == "Sequence") {
    normalizer.only_keys({"type", "normalizers"});
    const JsonView list = normalizer.at("normalizers");
    for (std::size_t i = 0; i < list.array().size(); ++i) read(list.item(i));
    return;
  }
  if (type.text() != "NFC") {
    type.fail(core::printable(type.text()) + " is not supported; known: NFC, Sequence");
  }
  normalizer.only_keys({"type"});
  compose_ = true;
}

std::string_view Normalizer::apply(std::string_view text, std::string& buffer) const {
  if (!compose_) return text;
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw Error(ErrorKind::kBadInput, "a text of " + std::to_string(text.size()) +
                                          " bytes is too long to be normalised; cut it");
  }
  const icu::StringPiece piece(text.data(), static_cast<std::int32_t>(text.size()));
  UErrorCode status = U_ZERO_ERROR;
  if (composition().isNormalizedUTF8(piece, status) != 0) {
    check(status);
    return text;
  }
  buffer.clear();
  icu::StringByteSink<std::string> sink(&buffer);
  composition().normalizeUTF8(0, piece, sink, nullptr, status);
  check(status);
  return buffer;
}

}  // namespace salf::data
