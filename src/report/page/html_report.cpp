#include "report/page/html_report.h"

#include "report/page/html.h"
#include "report/sections/sections.h"

namespace salf::report {
namespace {

struct Section {
  const char* id;
  Word title;
  std::string (*body)(const RunData&, const Context&);
  std::vector<Word> words;
};

const std::vector<Section>& sections() {
  static const std::vector<Section> kSections = {
      {"decision", Word::kDecision, &decision,
          {Word::kEofLayer, Word::kFrozenTerm, Word::kTransition, Word::kStability}},
      {"savings", Word::kSavings, &savings,
          {Word::kFlopTerm, Word::kAnonymousTerm, Word::kPrefixTerm}},
      {"quality", Word::kQuality, &quality,
          {Word::kLossTerm, Word::kPerplexityTerm, Word::kDevTerm, Word::kIntervalTerm,
              Word::kGateTerm}},
      {"layers", Word::kLayers, &layers, {Word::kSpaceTerm, Word::kDeviationTerm, Word::kGainTerm}},
      {"budget", Word::kBudgetTitle, &budget, {Word::kBudgetTerm}},
      {"run", Word::kRunTitle, &progress, {Word::kStepTerm, Word::kCooldownTerm}},
      {"basis", Word::kBasisTitle, &basis,
          {Word::kBasisTerm, Word::kVocabularyTerm, Word::kDomainTerm}},
      {"repeat", Word::kRepeat, &repeat, {Word::kHashTerm, Word::kSeedTerm}}};
  return kSections;
}

std::string section(const Section& part, const Context& context) {
  const bool several = context.runs.size() > 1;
  std::string out =
      std::string("<section id=\"") + part.id + "\"><h2>" + words(part.title) + "</h2>\n";
  if (several && part.body == &decision) out += overview(context.runs);
  if (several && part.body == &quality) out += loss_comparison(context.runs);
  out += several ? "<div class=\"runs\">" : "<div class=\"runs one\">";
  for (std::size_t i = 0; i < context.runs.size(); ++i) {
    out += "<div class=\"run\" data-run=\"" + std::to_string(i) + "\">";
    if (several) out += "<h3>" + escape(context.runs[i].name) + "</h3>";
    out += part.body(context.runs[i], context) + "</div>\n";
  }
  return out + "</div>" + terms(part.words) + "</section>\n";
}

std::string button(const char* set, const std::string& label) {
  return std::string("<button type=\"button\" data-set=\"") + set + "\">" + label + "</button>";
}

std::string page_head(const std::vector<RunData>& runs) {
  std::string names;
  for (const RunData& run : runs) names += (names.empty() ? "" : ", ") + run.name;
  std::string out = "<header><h1>" + words(Word::kTitle) + " <small class=\"soft\">" +
                    escape(names, 400) + "</small></h1>";
  out += "<div class=\"tools\">" + button("lang=en", "English") + button("lang=ja", "日本語") +
         "</div>";
  out += "<div class=\"tools\">" + button("theme=auto", words(Word::kThemeAuto)) +
         button("theme=light", words(Word::kThemeLight)) +
         button("theme=dark", words(Word::kThemeDark)) + "</div></header>\n";
  out += "<nav><div>";
  for (const Section& part : sections())
    out += std::string("<a href=\"#") + part.id + "\">" + words(part.title) + "</a>";
  return out + "</div></nav>\n";
}

}  // namespace

std::string page_body(const std::vector<RunData>& runs, const PageOptions& options) {
  const Context context{runs, options};
  std::string out;
  for (const Section& part : sections()) out += section(part, context);
  return out;
}

std::string html_report(const std::vector<RunData>& runs, const PageOptions& options) {
  const std::string language = core::enum_to_string(options.language);
  const Text& title = text(Word::kTitle);
  std::string out = "<!DOCTYPE html>\n<html lang=\"" + language + "\" data-lang=\"" + language +
                    "\"><head><meta charset=\"utf-8\">\n";
  out += "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n";
  // The page fetches nothing, whatever a document says; with --follow it asks its own server.
  out += std::string(
             "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
             "'unsafe-inline'; script-src "
             "'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'") +
         (options.follow ? "; connect-src 'self'" : "") + "\">\n";
  out += "<link rel=\"icon\" href=\"data:,\">\n<title>salf: " +
         escape(options.language == Language::kJapanese ? title.ja : title.en) + " – " +
         escape(runs.front().name, 100) + "</title>\n<style>" + kStyle + "</style></head>\n<body>";
  out += page_head(runs) + "<main>" + page_body(runs, options) + "</main>\n";
  out += "<footer>" + words(Word::kFooter, {escape(provenance(runs.front()).salf_version)}) +
         "</footer>\n<script>" + kScript + "</script>";
  if (options.follow) out += std::string("<script>") + kFollowScript + "</script>";
  return out + "</body></html>\n";
}

}  // namespace salf::report
