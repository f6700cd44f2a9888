#include "text/show_domain.h"

#include <algorithm>
#include <vector>

#include "core/log.h"
#include "core/text.h"

namespace salf::tools {
namespace {

constexpr std::size_t kWide = 70;         // columns for all three rules of a domain
constexpr std::size_t kWithMeasure = 56;  // for the rules by loss too
constexpr std::size_t kNameColumns = 22;

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }

std::size_t columns(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

std::string in_columns(const std::string& text, std::size_t width) {
  const std::size_t used = columns(text);
  return used < width ? text + std::string(width - used, ' ') : text;
}

std::string pushed_to(const std::string& text, std::size_t width) {
  const std::size_t used = columns(text);
  return used < width ? std::string(width - used, ' ') + text : text;
}

// A name of a stranger's file, escaped and no wider than this.
std::string short_name(const std::string& name, std::size_t width) {
  const std::string safe = core::printable(name);
  if (columns(safe) <= width) return safe;
  std::size_t end = 0;
  for (std::size_t kept = 0; end < safe.size(); ++end) {
    if (begins_character(safe[end]) && ++kept == width) break;
  }
  return safe.substr(0, end) + "…";
}

std::string broken_into_lines(const std::string& text, std::size_t width) {
  std::string out, line;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    if (!line.empty() && columns(line) + 1 + columns(word) > width) {
      out += line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
    begin = end + 1;
  }
  return out + line + "\n";
}

std::string range_of(const types::RuleChoice& choice) {
  return std::to_string(choice.cut) + " (" + std::to_string(choice.low) + "-" +
         std::to_string(choice.high) + ")";
}

std::string listed(const std::vector<std::string>& texts) {
  std::vector<std::string> quoted;
  for (const std::string& text : texts) quoted.push_back("\"" + core::printable(text, 30) + "\"");
  return core::join(quoted, ", ");
}

std::string vocabulary_line(const types::LayerProfile& profile) {
  const types::DomainVocabulary& vocabulary = *profile.vocabulary;
  std::string text = "domain vocabulary (" + core::printable(vocabulary.source, 60) +
                     "): " + core::format_count(vocabulary.tokens) + " tokens, the labels of " +
                     core::format_count(vocabulary.deviations.front().positions) + " of " +
                     core::format_count(profile.deviations.front().positions) + " positions";
  if (!vocabulary.reference.empty()) text += "; against " + core::printable(vocabulary.reference);
  if (!vocabulary.examples.empty()) text += "; such as " + listed(vocabulary.examples);
  if (vocabulary.split_words > 0)
    text += "; " + core::format_count(vocabulary.split_words) +
            " words are several tokens, and their pieces count";
  if (vocabulary.unknown_words > 0) {
    text += "; " + core::format_count(vocabulary.unknown_words) +
            " words have no token: " + listed(vocabulary.unknown);
  }
  return text;
}

std::string vocabulary_text(const types::LayerProfile& profile, std::size_t width) {
  const types::DomainVocabulary& vocabulary = *profile.vocabulary;
  const bool wide = width >= kWithMeasure;  // else by cosine alone
  std::string text = "\n" + broken_into_lines(vocabulary_line(profile), width) + "\n" +
                     in_columns("rule", 15) + (wide ? "by      " : "") +
                     "with it       without it" + (wide ? "    (90 %)\n" : "\n");
  for (const types::RuleChoice& with : vocabulary.choices_with) {
    const types::RuleChoice* without =
        types::find_choice(vocabulary.choices_without, with.rule, with.measure);
    if (!wide && with.measure != types::Measure::kCosine) continue;
    text += in_columns(core::enum_to_string(with.rule), 15) +
            (wide ? in_columns(core::enum_to_string(with.measure), 8) : "") +
            in_columns(range_of(with), 14) + (without == nullptr ? "-" : range_of(*without)) + "\n";
  }
  return text;
}

std::string domain_row(const types::DomainMeasure& domain, bool wide) {
  std::string line = in_columns(short_name(domain.name, kNameColumns - 1), kNameColumns) +
                     pushed_to(core::format_count(domain.deviation.documents), 9) + "  ";
  for (const types::Rule rule : types::kProfileRules) {
    const types::RuleChoice* choice =
        types::find_choice(domain.choices, rule, types::Measure::kCosine);
    line += in_columns(choice == nullptr ? "-" : range_of(*choice), 15);
    if (!wide) break;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string agreement_text(const types::DomainAgreement& agreement) {
  const std::string rule = core::enum_to_string(agreement.rule);
  if (agreement.serves_all) {
    return rule + ": one cut serves all, " + std::to_string(agreement.cut) +
           (agreement.low == agreement.high ? ""
                                            : " (any from " + std::to_string(agreement.low) +
                                                  " to " + std::to_string(agreement.high) + ")") +
           ".";
  }
  return rule + ": no cut serves all: \"" + short_name(agreement.deepest, 40) +
         "\" wants at least " + std::to_string(agreement.low) + " frozen blocks, \"" +
         short_name(agreement.shallowest, 40) + "\" at most " + std::to_string(agreement.high) +
         "; the shallowest, " + std::to_string(agreement.cut) + ", holds back none of them.";
}

std::string domains_text(const types::DomainTable& table, std::size_t width) {
  if (table.domains.empty()) {
    return "\n" + broken_into_lines(
                      "Rows name their domain, but no domain has enough documents in the sample; a "
                      "larger --documents measures more.",
                      width);
  }
  const bool wide = width >= kWide;
  std::string text = "\n" + in_columns("domain", kNameColumns) + "documents  " +
                     (wide ? "max-gain       min-deviation  threshold (90 %)\n" : "max-gain\n");
  for (const types::DomainMeasure& domain : table.domains) text += domain_row(domain, wide);
  std::vector<std::string> beside;
  if (table.others > 0)
    beside.push_back(core::format_count(table.others) +
                     " domains with few documents or beyond the largest are not shown");
  if (table.unnamed_documents > 0)
    beside.push_back(core::format_count(table.unnamed_documents) + " documents name no domain");
  if (!beside.empty()) text += broken_into_lines("(" + core::join(beside, "; ") + ")", width);
  if (!table.agreements.empty()) text += "\n";
  for (const types::DomainAgreement& agreement : table.agreements)
    text += broken_into_lines(agreement_text(agreement), width);
  return text;
}

}  // namespace

std::string domain_text(const types::LayerProfile& profile, std::size_t width) {
  return (profile.vocabulary ? vocabulary_text(profile, width) : "") +
         (profile.domains ? domains_text(*profile.domains, width) : "");
}

}  // namespace salf::tools
