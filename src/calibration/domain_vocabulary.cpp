#include "calibration/domain_vocabulary.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>

#include "core/files.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "data/bad_input.h"

namespace salf::calibration {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{16} << 20;
constexpr std::size_t kExamples = 20;
constexpr std::int64_t kFewestDocuments = 3;
constexpr double kStandardErrors = 3.0;
constexpr double kSmallestShare = 1e-12;

std::string trimmed(const std::string& text) {
  const char* const blank = " \t\r\n\v\f";
  const std::size_t begin = text.find_first_not_of(blank);
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(blank) + 1 - begin);
}

// One entry after another becomes tokens.
class WordReader {
 public:
  explicit WordReader(const data::Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  void add_id(std::int64_t id, const std::string& where) {
    if (id < 0 || id >= tokenizer_.vocabulary_size()) throw_outside(std::to_string(id), where);
    ++result_.words;
    take({id});
  }

  void add_word(const std::string& text) {
    const std::string word = trimmed(text);
    if (word.empty()) return;
    ++result_.words;
    const std::vector<std::int64_t> alone = pieces(word, word);
    const std::vector<std::int64_t> spaced = pieces(" " + word, word);
    const bool one = alone.size() == 1 || spaced.size() == 1;
    if (alone.empty() && spaced.empty()) {
      result_.unknown.push_back(word);
    } else if (!one) {
      ++result_.split_words;
    }
    if (!one || alone.size() == 1) take(alone);
    if (!one || spaced.size() == 1) take(spaced);
  }

  // A line of a plain file.
  void add_line(const std::string& line, const std::string& where) {
    const std::string word = trimmed(line);
    if (word.empty() || word.find_first_not_of("0123456789") != std::string::npos)
      return add_word(word);
    if (word.size() > 9) throw_outside(word, where);
    add_id(std::stoll(word), where);
  }

  DomainWords finish(const std::string& file) {
    if (result_.words == 0)
      data::refuse(file, "no words: expected one word or token id a line, or a JSON list");
    if (seen_.empty()) {
      data::refuse(file, "none of the " + core::format_count(result_.words) +
                             " words has a token in this vocabulary; the first is \"" +
                             core::printable(result_.unknown.front(), 60) + "\"");
    }
    result_.ids.assign(seen_.begin(), seen_.end());
    return std::move(result_);
  }

 private:
  // Tokens of `text` that are a part of the word; none for what the tokenizer does not know.
  std::vector<std::int64_t> pieces(const std::string& text, const std::string& word) const {
    std::vector<std::int64_t> kept;
    for (const std::int64_t id : tokenizer_.encode(text)) {
      const std::string piece = trimmed(tokenizer_.decode({id}));
      const bool is_byte =
          piece.find("\xEF\xBF\xBD") != std::string::npos || core::invalid_utf8(piece);
      const bool is_part =
          is_byte || core::ascii_lower(word).find(core::ascii_lower(piece)) != std::string::npos;
      if (!piece.empty() && is_part && !tokenizer_.is_special(id)) kept.push_back(id);
    }
    return kept;
  }

  void take(const std::vector<std::int64_t>& ids) {
    for (const std::int64_t id : ids) {
      if (seen_.insert(id).second && result_.examples.size() < kExamples)
        result_.examples.push_back(id);
    }
  }

  [[noreturn]] void throw_outside(const std::string& id, const std::string& where) const {
    data::refuse(where, "expected a token id from 0 to " +
                            std::to_string(tokenizer_.vocabulary_size() - 1) + ", got " + id +
                            "; a word of digits goes into a JSON list, as a string");
  }

  const data::Tokenizer& tokenizer_;
  std::set<std::int64_t> seen_;
  DomainWords result_;
};

void read_json_words(const std::string& text, const std::string& file, WordReader& reader) {
  const core::Json list = core::parse_json(text, file);
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string where = file + ": [" + std::to_string(i) + "]";
    if (list[i].is_string()) {
      reader.add_word(list[i].get<std::string>());
    } else if (list[i].is_number_integer()) {
      std::int64_t id = -1;
      if (core::detail::fits<std::int64_t>(list[i])) id = list[i].get<std::int64_t>();
      reader.add_id(id, where);
    } else {
      core::throw_json_type(where, "a word as a string, or a token id as a whole number", list[i]);
    }
  }
}

void read_lines(const std::string& text, const std::string& file, WordReader& reader) {
  std::istringstream lines(text);
  std::string line;
  for (std::int64_t number = 1; std::getline(lines, line); ++number) {
    reader.add_line(line, file + ":" + std::to_string(number));
  }
}

struct LabelCount {
  double tokens = 0.0;
  std::int64_t documents = 0;
};

// Of the train split, by id.
std::vector<LabelCount> count_labels(const data::Dataset& dataset, std::size_t vocabulary) {
  std::vector<LabelCount> counts(vocabulary);
  std::vector<std::int64_t> last(vocabulary, -1);
  for (const std::int64_t index : dataset.indices(data::Split::kTrain)) {
    for (const std::int64_t label : dataset.documents[static_cast<std::size_t>(index)].labels) {
      if (label < 0 || static_cast<std::size_t>(label) >= vocabulary) continue;
      const auto id = static_cast<std::size_t>(label);
      counts[id].tokens += 1.0;
      if (std::exchange(last[id], index) != index) ++counts[id].documents;
    }
  }
  return counts;
}

double logit(double share) { return std::log(share) - std::log1p(-share); }

}  // namespace

DomainWords read_domain_words(const std::filesystem::path& file, const data::Tokenizer& tokenizer) {
  const std::string name = core::printable(file.string());
  std::string text = core::read_file(file, kMostBytes);
  if (const auto bad = core::invalid_utf8(text)) {
    data::refuse(name, "not UTF-8 at byte " + std::to_string(*bad) + ": expected a file of words");
  }
  if (text.rfind("\xEF\xBB\xBF", 0) == 0) text.erase(0, 3);
  WordReader reader(tokenizer);
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && text[first] == '[') {
    read_json_words(text, name, reader);
  } else {
    read_lines(text, name, reader);
  }
  return reader.finish(name);
}

DomainWords overrepresented_words(
    const data::Dataset& dataset, const TokenShares& general, const data::Tokenizer& tokenizer) {
  const std::vector<LabelCount> counts = count_labels(dataset, general.mean.size());
  double all = 0.0;
  for (const LabelCount& count : counts) all += count.tokens;
  std::vector<std::pair<double, std::int64_t>> found;  // (−standard errors above, id)
  for (std::size_t id = 0; id < counts.size(); ++id) {
    const auto token = static_cast<std::int64_t>(id);
    if (counts[id].documents < kFewestDocuments || tokenizer.is_special(token) ||
        tokenizer.eos_id() == token)
      continue;
    const double share = std::clamp(general.mean[id], kSmallestShare, 1.0 - kSmallestShare);
    const double pseudo = counts[id].tokens + kPriorTokens * share;
    const double here = std::min(pseudo / (all + kPriorTokens), 1.0 - kSmallestShare);
    const double excess = logit(here) - logit(share);
    const double relative = general.error[id] / share;
    const double error =
        std::sqrt(1.0 / pseudo + (std::isfinite(relative) ? relative * relative : 0.0));
    if (excess >= std::log(2.0) && excess >= kStandardErrors * error)
      found.emplace_back(-excess / error, token);
  }
  if (found.empty()) {
    data::refuse("--basis-vocabulary data",
        "no label of these data is more frequent than in general text; "
        "name the domain's words in a file, or leave the option out");
  }
  std::sort(found.begin(), found.end());
  DomainWords result;
  for (const auto& [order, id] : found) {
    if (result.examples.size() < kExamples) result.examples.push_back(id);
    result.ids.push_back(id);
  }
  std::sort(result.ids.begin(), result.ids.end());
  return result;
}

}  // namespace salf::calibration
