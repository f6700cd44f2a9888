#include "generate/answer_scores.h"

#include <unicode/locid.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <vector>

#include "core/text.h"

namespace salf::generate {
namespace {

constexpr const char* kPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";  // Python's

std::string lower(const std::string& text) {
  std::string out;
  icu::UnicodeString::fromUTF8(text).toLower(icu::Locale::getRoot()).toUTF8String(out);
  return out;
}

std::vector<std::string> words_of(const std::string& normalized) {
  std::istringstream stream(normalized);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(std::move(word));
  return words;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::string normalized_answer(const std::string& text) {
  std::string plain = lower(text);
  const std::string_view punctuation = kPunctuation;
  plain.erase(std::remove_if(plain.begin(), plain.end(),
                  [&](char c) { return punctuation.find(c) != std::string_view::npos; }),
      plain.end());
  std::vector<std::string> words = words_of(plain);
  const auto is_article = [](const std::string& word) {
    return word == "a" || word == "an" || word == "the";
  };
  words.erase(std::remove_if(words.begin(), words.end(), is_article), words.end());
  return core::join(words, " ");
}

bool exact_match(const std::string& answer, const std::string& reference) {
  return normalized_answer(answer) == normalized_answer(reference);
}

double token_f1(const std::string& answer, const std::string& reference) {
  const std::vector<std::string> said = words_of(normalized_answer(answer));
  const std::vector<std::string> right = words_of(normalized_answer(reference));
  if (said.empty() || right.empty()) return said.empty() && right.empty() ? 1.0 : 0.0;
  std::map<std::string, int> left;
  for (const std::string& word : right) ++left[word];
  double common = 0.0;
  for (const std::string& word : said) {
    if (left[word]-- > 0) common += 1.0;
  }
  return 2.0 * common / static_cast<double>(said.size() + right.size());
}

std::optional<double> final_number(const std::string& text) {
  const std::size_t marker = text.rfind("####");
  const std::string part = marker == std::string::npos ? text : text.substr(marker + 4);
  std::optional<double> found;
  for (std::size_t i = 0; i < part.size();) {
    if (!is_digit(part[i])) {
      ++i;
      continue;
    }
    const bool point = i > 0 && part[i - 1] == '.' && (i < 2 || !is_digit(part[i - 2]));
    const std::size_t sign = i - (point ? 1 : 0);
    std::string number = sign > 0 && part[sign - 1] == '-' ? "-" : "";
    if (point) number += "0.";
    bool fraction = point;
    for (; i < part.size(); ++i) {
      const bool inner = i + 1 < part.size() && is_digit(part[i + 1]);
      if (is_digit(part[i])) {
        number += part[i];
      } else if (part[i] == '.' && inner && !fraction) {
        number += '.';
        fraction = true;
      } else if (part[i] != ',' || !inner || fraction) {
        break;
      }
    }
    found = core::parse_number(number);
    if (marker != std::string::npos && found) return found;
  }
  return found;
}

}  // namespace salf::generate
