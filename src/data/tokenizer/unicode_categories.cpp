#include <unordered_map>

#include "data/tokenizer/pattern.h"

namespace salf::data {
namespace {

// Note [Unicode versions]
// Oniguruma in Hugging Face's tokenizers knows Unicode 16, PCRE2 10.42 knows Unicode 14. These
// constants hold the characters of each category that were added between the two. A newer PCRE2
// sees them twice, which changes nothing. They were made by comparing \p{..} of both libraries over
// all code points.
constexpr const char* kUppercase =
    "\\x{1c89}\\x{a7cb}-\\x{a7cc}\\x{a7da}\\x{a7dc}\\x{10d50}-\\x{10d65}";
constexpr const char* kLowercase =
    "\\x{1c8a}\\x{a7cd}\\x{a7db}\\x{10d70}-\\x{10d85}\\x{1df25}-\\x{1df2a}";
constexpr const char* kModifier =
    "\\x{10d4e}\\x{10d6f}\\x{16d40}-\\x{16d42}\\x{16d6b}-\\x{16d6c}\\x{1e030}-\\x{1e06d}"
    "\\x{1e4eb}";
constexpr const char* kOtherLetter =
    "\\x{105c0}-\\x{105f3}\\x{10d4a}-\\x{10d4d}\\x{10d4f}\\x{10ec2}-\\x{10ec4}"
    "\\x{1123f}-\\x{11240}\\x{11380}-\\x{11389}\\x{1138b}\\x{1138e}\\x{11390}-\\x{113b5}"
    "\\x{113b7}\\x{113d1}\\x{113d3}\\x{11bc0}-\\x{11be0}\\x{11f02}\\x{11f04}-\\x{11f10}"
    "\\x{11f12}-\\x{11f33}\\x{1342f}\\x{13441}-\\x{13446}\\x{13460}-\\x{143fa}"
    "\\x{16100}-\\x{1611d}\\x{16d43}-\\x{16d6a}\\x{18cff}\\x{1b132}\\x{1b155}"
    "\\x{1e4d0}-\\x{1e4ea}\\x{1e5d0}-\\x{1e5ed}\\x{1e5f0}\\x{2b739}\\x{2ebf0}-\\x{2ee5d}"
    "\\x{31350}-\\x{323af}";
constexpr const char* kDigit =
    "\\x{10d40}-\\x{10d49}\\x{116d0}-\\x{116e3}\\x{11bf0}-\\x{11bf9}\\x{11f50}-\\x{11f59}"
    "\\x{16130}-\\x{16139}\\x{16d70}-\\x{16d79}\\x{1ccf0}-\\x{1ccf9}\\x{1e4f0}-\\x{1e4f9}"
    "\\x{1e5f1}-\\x{1e5fa}";
constexpr const char* kOtherNumber = "\\x{1d2c0}-\\x{1d2d3}";
constexpr const char* kMark =
    "\\x{897}\\x{cf3}\\x{ece}\\x{10d69}-\\x{10d6d}\\x{10efc}-\\x{10eff}\\x{11241}"
    "\\x{113b8}-\\x{113c0}\\x{113c2}\\x{113c5}\\x{113c7}-\\x{113ca}\\x{113cc}-\\x{113d0}"
    "\\x{113d2}\\x{113e1}-\\x{113e2}\\x{11f00}-\\x{11f01}\\x{11f03}\\x{11f34}-\\x{11f3a}"
    "\\x{11f3e}-\\x{11f42}\\x{11f5a}\\x{13440}\\x{13447}-\\x{13455}\\x{1611e}-\\x{1612f}"
    "\\x{1e08f}\\x{1e4ec}-\\x{1e4ef}\\x{1e5ee}-\\x{1e5ef}";
constexpr const char* kPunctuation =
    "\\x{1b4e}-\\x{1b4f}\\x{1b7f}\\x{10d6e}\\x{113d4}-\\x{113d5}\\x{113d7}-\\x{113d8}"
    "\\x{11b00}-\\x{11b09}\\x{11be1}\\x{11f43}-\\x{11f4f}\\x{16d6d}-\\x{16d6f}\\x{1e5ff}";
constexpr const char* kSymbol =
    "\\x{2427}-\\x{2429}\\x{2ffc}-\\x{2fff}\\x{31e4}-\\x{31e5}\\x{31ef}\\x{10d8e}-\\x{10d8f}"
    "\\x{1cc00}-\\x{1ccef}\\x{1cd00}-\\x{1ceb3}\\x{1f6dc}\\x{1f774}-\\x{1f776}"
    "\\x{1f77b}-\\x{1f77f}\\x{1f7d9}\\x{1f8b2}-\\x{1f8bb}\\x{1f8c0}-\\x{1f8c1}"
    "\\x{1fa75}-\\x{1fa77}\\x{1fa87}-\\x{1fa89}\\x{1fa8f}\\x{1faad}-\\x{1faaf}"
    "\\x{1fabb}-\\x{1fabf}\\x{1fac6}\\x{1face}-\\x{1facf}\\x{1fada}-\\x{1fadc}\\x{1fadf}"
    "\\x{1fae8}-\\x{1fae9}\\x{1faf7}-\\x{1faf8}\\x{1fbcb}-\\x{1fbef}";
constexpr const char* kHan = "\\x{2b739}\\x{2ebf0}-\\x{2ee5d}\\x{31350}-\\x{323af}";

// Unicode's White_Space. PCRE2's own \s has U+180E too.
constexpr const char* kSpace =
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"
    "\\x{205f}\\x{3000}";
constexpr const char* kNotSpace =
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}"
    "\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}"
    "\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}";

// Superscripts and fractions of Latin-1, which Oniguruma's \w has outside a class only.
constexpr const char* kLatinNumbers = "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}";

std::string letters() {
  return std::string("\\p{L}") + kUppercase + kLowercase + kModifier + kOtherLetter;
}

}  // namespace

std::optional<std::string> category_members(const std::string& name) {
  static const std::unordered_map<std::string, std::string> members{{"L", letters()},
      {"Lu", std::string("\\p{Lu}") + kUppercase}, {"Ll", std::string("\\p{Ll}") + kLowercase},
      {"Lt", "\\p{Lt}"}, {"Lm", std::string("\\p{Lm}") + kModifier},
      {"Lo", std::string("\\p{Lo}") + kOtherLetter},
      {"N", std::string("\\p{N}") + kDigit + kOtherNumber}, {"Nd", std::string("\\p{Nd}") + kDigit},
      {"M", std::string("\\p{M}") + kMark}, {"P", std::string("\\p{P}") + kPunctuation},
      {"S", std::string("\\p{S}") + kSymbol}, {"Z", "\\p{Z}"},
      {"Han", std::string("\\p{sc:Han}") + kHan}};
  const auto found = members.find(name);
  return found == members.end() ? std::nullopt : std::optional<std::string>(found->second);
}

std::string word_members(bool in_class) {
  return letters() + "\\p{Alphabetic}\\p{Pc}\\p{M}" + kMark + "\\p{Nd}" + kDigit +
         (in_class ? "" : kLatinNumbers);
}

std::string space_members() { return kSpace; }
std::string not_space_members() { return kNotSpace; }

}  // namespace salf::data
