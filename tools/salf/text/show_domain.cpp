#include <vector>

#include "core/log.h"
#include "core/text.h"
#include "text/columns.h"
#include "text/show_profile.h"

namespace salf::tools {
namespace {

constexpr std::size_t kWide = 70;         // the width from which a domain has all three rules
constexpr std::size_t kWithMeasure = 56;  // the width from which rules by loss are shown
constexpr std::size_t kNameColumns = 22;

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
  std::string text = "\n" + paragraph(vocabulary_line(profile), width) + "\n" + left("rule", 15) +
                     (wide ? "by      " : "") + "with it       without it" +
                     (wide ? "    (90 %)\n" : "\n");
  for (const types::RuleChoice& with : vocabulary.choices_with) {
    const types::RuleChoice* without =
        types::find_choice(vocabulary.choices_without, with.rule, with.measure);
    if (!wide && with.measure != types::Measure::kCosine) continue;
    text += left(core::enum_to_string(with.rule), 15) +
            (wide ? left(core::enum_to_string(with.measure), 8) : "") + left(range_of(with), 14) +
            (without == nullptr ? "-" : range_of(*without)) + "\n";
  }
  return text;
}

std::string domain_row(const types::DomainMeasure& domain, bool wide) {
  std::string line = left(shortened(core::printable(domain.name), kNameColumns - 1), kNameColumns) +
                     right(core::format_count(domain.deviation.documents), 9) + "  ";
  for (const types::Rule rule : types::kProfileRules) {
    const types::RuleChoice* choice =
        types::find_choice(domain.choices, rule, types::Measure::kCosine);
    line += left(choice == nullptr ? "-" : range_of(*choice), 15);
    if (!wide) break;
  }
  return trimmed(line) + "\n";
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
  return rule + ": no cut serves all: \"" + shortened(core::printable(agreement.deepest), 40) +
         "\" wants at least " + std::to_string(agreement.low) + " frozen blocks, \"" +
         shortened(core::printable(agreement.shallowest), 40) + "\" at most " +
         std::to_string(agreement.high) + "; the shallowest, " + std::to_string(agreement.cut) +
         ", holds back none of them.";
}

std::string domains_text(const types::DomainTable& table, std::size_t width) {
  if (table.domains.empty()) {
    return "\n" + paragraph(
                      "Rows name their domain, but no domain has enough documents in the sample; a "
                      "larger --documents measures more.",
                      width);
  }
  const bool wide = width >= kWide;
  std::string text = "\n" + left("domain", kNameColumns) + "documents  " +
                     (wide ? "max-gain       min-deviation  threshold (90 %)\n" : "max-gain\n");
  for (const types::DomainMeasure& domain : table.domains) text += domain_row(domain, wide);
  std::vector<std::string> beside;
  if (table.others > 0)
    beside.push_back(core::format_count(table.others) +
                     " domains with few documents or beyond the largest are not shown");
  if (table.unnamed_documents > 0)
    beside.push_back(core::format_count(table.unnamed_documents) + " documents name no domain");
  if (!beside.empty()) text += paragraph("(" + core::join(beside, "; ") + ")", width);
  if (!table.agreements.empty()) text += "\n";
  for (const types::DomainAgreement& agreement : table.agreements)
    text += paragraph(agreement_text(agreement), width);
  return text;
}

}  // namespace

std::string domain_text(const types::LayerProfile& profile, std::size_t width) {
  return (profile.vocabulary ? vocabulary_text(profile, width) : "") +
         (profile.domains ? domains_text(*profile.domains, width) : "");
}

}  // namespace salf::tools
