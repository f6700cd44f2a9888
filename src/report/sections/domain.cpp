// Does the domain's vocabulary change the cut, and does one cut serve every domain?
#include <algorithm>

#include "core/text.h"
#include "report/page/html.h"
#include "report/sections/sections.h"

namespace salf::report {
namespace {

constexpr std::size_t kNameLimit = 80;  // bytes of a domain's name

std::string rule_name(types::Rule rule) {
  return "<code>" + core::enum_to_string(rule) + "</code>";
}

std::string name_of(const std::string& name) { return "<q>" + escape(name, kNameLimit) + "</q>"; }

// "21 (20–24)"
std::string choice_with_range(const types::RuleChoice& choice, const std::string& path) {
  return integer(choice.cut, path + ".eof") + " (" + integer(choice.low, path + ".low") + "–" +
         integer(choice.high, path + ".high") + ")";
}

std::string indexed(const std::string& path, std::size_t index) {
  return path + "[" + std::to_string(index) + "]";
}

std::string choice_cell(const std::vector<types::RuleChoice>& choices, types::Rule rule,
    types::Measure measure, const std::string& path) {
  const types::RuleChoice* const found = types::find_choice(choices, rule, measure);
  return found == nullptr ? "–"
                          : choice_with_range(*found,
                                indexed(path, static_cast<std::size_t>(found - choices.data())));
}

std::string list_of(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts)
    out += (out.empty() ? "<code>" : " <code>") + escape(text, kNameLimit) + "</code>";
  return paragraph(out);
}

std::string words_of(const types::DomainVocabulary& vocabulary, const Context& context) {
  std::string out;
  if (vocabulary.split_words > 0) {
    out += paragraph(words(text(Word::kDomainSplit),
        {integer(vocabulary.split_words, "profile.vocabulary.split_words")}));
  }
  if (vocabulary.unknown_words > 0) {
    out += paragraph(words(text(Word::kDomainUnknown),
        {integer(vocabulary.unknown_words, "profile.vocabulary.unknown_words")}));
  }
  if (!context.options.text) return out;
  if (!vocabulary.examples.empty())
    out += folded(text(Word::kDomainExamples), list_of(vocabulary.examples));
  if (!vocabulary.unknown.empty())
    out += folded(text(Word::kDomainUnknownWords), list_of(vocabulary.unknown));
  return out;
}

std::string vocabulary_part(const types::LayerProfile& profile, const Context& context) {
  const types::DomainVocabulary& vocabulary = *profile.vocabulary;
  const bool from_data = !vocabulary.reference.empty();
  std::string out = "<h3>" + words(text(Word::kDomainTitle)) + "</h3>";
  out += paragraph(words(text(from_data ? Word::kDomainData : Word::kDomainFile),
      {"<code>" + escape(vocabulary.source, kNameLimit) + "</code>",
          integer(vocabulary.tokens, "profile.vocabulary.tokens"),
          integer(vocabulary.deviations.front().positions,
              "profile.vocabulary.deviations[0].positions"),
          integer(profile.deviations.front().positions, "profile.deviations[0].positions"),
          integer(vocabulary.deviations.front().documents,
              "profile.vocabulary.deviations[0].documents")}));
  out += words_of(vocabulary, context);
  std::vector<std::vector<Cell>> rows;
  for (std::size_t i = 0; i < vocabulary.choices_without.size(); ++i) {
    const types::RuleChoice& without = vocabulary.choices_without[i];
    const Word measure =
        without.measure == types::Measure::kCosine ? Word::kCosine : Word::kLossMeasure;
    rows.push_back({word_cell(rule_name(without.rule)), word_cell(words(text(measure))),
        {choice_cell(vocabulary.choices_with, without.rule, without.measure,
            "profile.vocabulary.choices_with")},
        {choice_with_range(without, indexed("profile.vocabulary.choices_without", i))}});
  }
  return out + table({words(text(Word::kRule)), words(text(Word::kMeasure)),
                         words(text(Word::kWithVocabulary)), words(text(Word::kWithoutVocabulary))},
                   rows);
}

std::string verdict(const types::DomainAgreement& agreement, const std::string& path) {
  const std::string cut = integer(agreement.cut, path + ".eof");
  if (agreement.serves_all)
    return paragraph(words(text(Word::kDomainServes), {rule_name(agreement.rule), cut}));
  return paragraph(words(text(Word::kDomainDiffers),
      {rule_name(agreement.rule), name_of(agreement.deepest), integer(agreement.low, path + ".low"),
          name_of(agreement.shallowest), integer(agreement.high, path + ".high"), cut}));
}

std::string domains_part(const types::DomainTable& measured) {
  if (measured.domains.empty()) return paragraph(words(text(Word::kDomainFew)));
  std::string out = "<h3>" + words(text(Word::kDomainTable)) + "</h3>";
  std::vector<std::vector<Cell>> rows;
  for (std::size_t i = 0; i < measured.domains.size(); ++i) {
    const types::DomainMeasure& domain = measured.domains[i];
    const std::string path = indexed("profile.domains.domains", i);
    std::vector<Cell> row{word_cell(escape(domain.name, kNameLimit)),
        {integer(domain.deviation.documents, path + ".deviation.documents")}};
    for (const types::Rule rule : types::kProfileRules) {
      row.push_back(
          {choice_cell(domain.choices, rule, types::Measure::kCosine, path + ".choices")});
    }
    rows.push_back(row);
  }
  out += table({words(text(Word::kDomainName)), words(text(Word::kDocuments)),
                   rule_name(types::Rule::kMaxGain), rule_name(types::Rule::kMinDeviation),
                   rule_name(types::Rule::kThreshold)},
      rows);
  for (std::size_t i = 0; i < measured.agreements.size(); ++i) {
    out += verdict(measured.agreements[i], indexed("profile.domains.agreements", i));
  }
  if (measured.others > 0)
    out += paragraph(
        words(text(Word::kDomainOthers), {integer(measured.others, "profile.domains.others")}));
  if (measured.unnamed_documents > 0) {
    out += paragraph(words(text(Word::kDomainUnnamed),
        {integer(measured.unnamed_documents, "profile.domains.unnamed_documents")}));
  }
  return out;
}

}  // namespace

std::string domain(const types::LayerProfile& profile, const Context& context) {
  std::string out = profile.vocabulary ? vocabulary_part(profile, context)
                                       : paragraph(words(text(Word::kNoDomain)));
  if (profile.domains) out += domains_part(*profile.domains);
  return out;
}

}  // namespace salf::report
