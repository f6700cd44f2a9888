#include "data/text/charsmap.h"

#include "core/error.h"
#include "core/text.h"

namespace salf::data {
namespace {

// A unit of darts-clone's double array.
bool has_leaf(std::uint32_t unit) { return (unit >> 8U & 1U) != 0; }
std::uint32_t label(std::uint32_t unit) { return unit & (1U << 31U | 0xFFU); }
std::uint32_t leaf_value(std::uint32_t unit) { return unit & ~(1U << 31U); }
std::uint32_t offset(std::uint32_t unit) { return unit >> 10U << ((unit & 1U << 9U) >> 6U); }

std::uint32_t little_endian(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) {
    value = value << 8U | static_cast<unsigned char>(bytes[at + i]);
  }
  return value;
}

}  // namespace

Charsmap::Charsmap(std::string_view blob, const std::string& where) : where_(where) {
  if (blob.size() < 4) fail("expected at least 4 bytes, found " + std::to_string(blob.size()));
  const std::uint32_t size = little_endian(blob, 0);
  if (size == 0 || size % 4 != 0 || size > blob.size() - 4) {
    fail("the array has " + std::to_string(size) + " bytes, expected a multiple of 4 up to " +
         std::to_string(blob.size() - 4));
  }
  units_.reserve(size / 4);
  for (std::size_t at = 4; at < size + 4ULL; at += 4) units_.push_back(little_endian(blob, at));
  replacements_ = blob.substr(size + 4ULL);
  if (replacements_.empty() || replacements_.back() != '\0') {
    fail("the replacements do not end with a NUL");
  }
  if (core::invalid_utf8(replacements_)) fail("the replacements are not valid UTF-8");
}

std::optional<Charsmap::Match> Charsmap::find(std::string_view text, bool first) const {
  std::optional<Match> found;
  std::uint32_t place = offset(units_[0]);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::uint32_t byte = static_cast<unsigned char>(text[i]);
    place ^= byte;
    if (byte == 0 || place >= units_.size() || label(units_[place]) != byte) break;
    const std::uint32_t unit = units_[place];
    place ^= offset(unit);
    if (!has_leaf(unit)) continue;
    if (place >= units_.size()) fail("a leaf lies outside the array");
    found = Match{i + 1, replacement(leaf_value(units_[place]))};
    if (first) break;
  }
  return found;
}

std::string_view Charsmap::replacement(std::uint32_t index) const {
  const bool inside = index < replacements_.size();
  if (!inside || (static_cast<unsigned char>(replacements_[index]) & 0xC0U) == 0x80U) {
    fail("a replacement lies at byte " + std::to_string(index) +
         ", expected the begin of a character below " + std::to_string(replacements_.size()));
  }
  return replacements_.data() + index;  // ends at the next NUL; the last byte is one
}

void Charsmap::fail(const std::string& problem) const {
  throw Error(ErrorKind::kBadInput, where_ + ": damaged: " + problem);
}

std::optional<std::string> from_base64(std::string_view text) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0) return std::nullopt;
  while (!text.empty() && text.back() == '=' && text.size() % 4 != 2) text.remove_suffix(1);
  std::string bytes;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char letter : text) {
    const std::size_t digit = kDigits.find(letter);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6U | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 0xFFU);
  }
  return bytes;
}

}  // namespace salf::data
