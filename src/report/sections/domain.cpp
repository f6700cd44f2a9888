// The domain part of the section Basis: the vocabulary's effect on the cut, and the cut of each
// domain.
#include "report/page/html.h"
#include "report/sections/sections.h"

namespace salf::report {
namespace {

constexpr std::size_t kNameLimit = 80;  // bytes of a domain's name

std::string quoted(const std::string& name) { return "<q>" + escape(name, kNameLimit) + "</q>"; }

// "21 (20–24)"
std::string choice_with_range(const types::RuleChoice& choice, const std::string& path) {
  return integer(choice.cut, path + ".eof") + " (" + integer(choice.low, path + ".low") + "–" +
         integer(choice.high, path + ".high") + ")";
}

std::string choice_cell(const std::vector<types::RuleChoice>& choices, types::Rule rule,
    types::Measure measure, const std::string& path) {
  const types::RuleChoice* const found = types::find_choice(choices, rule, measure);
  if (found == nullptr) return "–";
  return choice_with_range(*found, indexed(path, static_cast<std::size_t>(found - choices.data())));
}

std::string folded_list(Word title, const std::vector<std::string>& texts) {
  if (texts.empty()) return "";
  std::string out;
  for (const std::string& text : texts)
    out += (out.empty() ? "" : " ") + code(escape(text, kNameLimit));
  return folded(text(title), paragraph(out));
}

// A sentence about a count, where it is not 0.
std::string count_line(Word word, std::int64_t count, const char* path) {
  return count > 0 ? paragraph(word, {integer(count, path)}) : "";
}

std::string vocabulary_part(const types::LayerProfile& profile, const Context& context) {
  const types::DomainVocabulary& vocabulary = *profile.vocabulary;
  const types::Deviation& measured = vocabulary.deviations.front();
  std::string out = heading(Word::kDomainTitle);
  out += paragraph(vocabulary.reference.empty() ? Word::kDomainFile : Word::kDomainData,
      {code(escape(vocabulary.source, kNameLimit)),
          integer(vocabulary.tokens, "profile.vocabulary.tokens"),
          integer(measured.positions, "profile.vocabulary.deviations[0].positions"),
          integer(profile.deviations.front().positions, "profile.deviations[0].positions"),
          integer(measured.documents, "profile.vocabulary.deviations[0].documents")});
  out += count_line(Word::kDomainSplit, vocabulary.split_words, "profile.vocabulary.split_words");
  out += count_line(
      Word::kDomainUnknown, vocabulary.unknown_words, "profile.vocabulary.unknown_words");
  if (context.options.text) {
    out += folded_list(Word::kDomainExamples, vocabulary.examples) +
           folded_list(Word::kDomainUnknownWords, vocabulary.unknown);
  }
  Rows rows;
  for (std::size_t i = 0; i < vocabulary.choices_without.size(); ++i) {
    const types::RuleChoice& without = vocabulary.choices_without[i];
    rows.push_back({word_cell(rule_name(without.rule)), measure_word(without.measure),
        choice_cell(vocabulary.choices_with, without.rule, without.measure,
            "profile.vocabulary.choices_with"),
        choice_with_range(without, indexed("profile.vocabulary.choices_without", i))});
  }
  return out + table({Word::kRule, Word::kMeasure, Word::kWithVocabulary, Word::kWithoutVocabulary},
                   rows);
}

std::string verdict(const types::DomainAgreement& agreement, const std::string& path) {
  const std::string cut = integer(agreement.cut, path + ".eof");
  if (agreement.serves_all) return paragraph(Word::kDomainServes, {rule_name(agreement.rule), cut});
  return paragraph(Word::kDomainDiffers,
      {rule_name(agreement.rule), quoted(agreement.deepest), integer(agreement.low, path + ".low"),
          quoted(agreement.shallowest), integer(agreement.high, path + ".high"), cut});
}

std::string domains_part(const types::DomainTable& measured) {
  if (measured.domains.empty()) return paragraph(Word::kDomainFew);
  Rows rows;
  for (std::size_t i = 0; i < measured.domains.size(); ++i) {
    const types::DomainMeasure& domain = measured.domains[i];
    const std::string path = indexed("profile.domains.domains", i);
    Row row{word_cell(escape(domain.name, kNameLimit)),
        integer(domain.deviation.documents, path + ".deviation.documents")};
    for (const types::Rule rule : types::kProfileRules) {
      row.push_back(choice_cell(domain.choices, rule, types::Measure::kCosine, path + ".choices"));
    }
    rows.push_back(row);
  }
  std::vector<std::string> header{words(Word::kDomainName), words(Word::kDocuments)};
  for (const types::Rule rule : types::kProfileRules) header.push_back(rule_name(rule));
  std::string out = heading(Word::kDomainTable) + table(header, rows);
  for (std::size_t i = 0; i < measured.agreements.size(); ++i) {
    out += verdict(measured.agreements[i], indexed("profile.domains.agreements", i));
  }
  return out + count_line(Word::kDomainOthers, measured.others, "profile.domains.others") +
         count_line(
             Word::kDomainUnnamed, measured.unnamed_documents, "profile.domains.unnamed_documents");
}

}  // namespace

std::string domain(const types::LayerProfile& profile, const Context& context) {
  std::string out =
      profile.vocabulary ? vocabulary_part(profile, context) : paragraph(Word::kNoDomain);
  if (profile.domains) out += domains_part(*profile.domains);
  return out;
}

}  // namespace salf::report
