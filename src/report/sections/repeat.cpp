// Basis and domain, and all that is needed to repeat the run.
#include "core/json.h"
#include "core/text.h"
#include "report/page/html.h"
#include "report/sections/sections.h"

namespace salf::report {
namespace {

std::string law_text(const types::ScalingLaw& law, const std::string& path) {
  if (!law.found) return words(text(Word::kNoLaw));
  return words(text(Word::kLawText),
      {number(law.c, path + ".c"), number(law.a, path + ".a"), number(law.b, path + ".b"),
          number(law.r_squared, path + ".r_squared")});
}

std::string text_of(const core::Json& value) {
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, core::Json::error_handler_t::replace);
}

std::string shell_word(const std::string& word) {
  const char* const plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:%+,@";
  if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

const types::Provenance& made(const RunData& run) {
  if (run.run) return run.run->provenance;
  return run.plan ? run.plan->provenance : run.profile->provenance;
}

std::string origin(const RunData& run) {
  const types::Provenance& from = made(run);
  const auto row = [](Word name, const std::string& value) {
    return std::vector<Cell>{word_cell(words(text(name))), word_cell("<code>" + value + "</code>")};
  };
  std::vector<std::vector<Cell>> rows{row(Word::kModel, escape(from.model)),
      row(Word::kModelHash, escape(from.model_hash)), row(Word::kData, escape(from.data)),
      row(Word::kDataHash, escape(from.data_hash)),
      row(Word::kTokenizerHash, escape(from.tokenizer_hash)),
      row(Word::kVersions,
          "salf " + escape(from.salf_version) + ", torch " + escape(from.torch_version)),
      row(Word::kMachine,
          words(text(Word::kThreads), {escape(from.machine), core::format_count(from.threads)})),
      row(Word::kCreated, escape(from.created))};
  if (run.run) rows.push_back(row(Word::kSeed, std::to_string(run.run->seed)));
  return table({"", ""}, rows);
}

std::string options_table(const core::Json& options) {
  std::vector<std::vector<Cell>> rows;
  for (const auto& [key, value] : options.items()) {
    rows.push_back({word_cell("<code>" + escape(key, 200) + "</code>"),
        word_cell("<code>" + escape(text_of(value), 2000) + "</code>")});
  }
  return table({words(text(Word::kOption)), words(text(Word::kValue))}, rows);
}

}  // namespace

std::string command_line(const core::Json& options) {
  std::string line = "salf train";
  for (const auto& [key, value] : options.items()) {
    std::string flag = "--" + key;
    for (char& c : flag) {
      if (c == '_') c = '-';
    }
    flag = shell_word(flag);
    if (value.is_boolean()) {
      if (value.get<bool>()) line += " " + flag;
      continue;
    }
    if (value.is_array()) {
      for (const core::Json& item : value) line += " " + flag + " " + shell_word(text_of(item));
      continue;
    }
    const bool empty = value.is_null() || value.is_structured() ||
                       (value.is_string() && value.get<std::string>().empty());
    if (!empty) line += " " + flag + " " + shell_word(text_of(value));
  }
  return line + " --output again";
}

std::string basis(const RunData& run, const Context& context) {
  if (!run.profile) return paragraph(words(text(Word::kNoProfile)));
  const types::LayerProfile& profile = *run.profile;
  const types::Deviation& first = profile.deviations.front();
  std::string out = paragraph(words(text(Word::kBasisLine),
      {integer(first.positions, "profile.deviations[0].positions"),
          words(text(profile.positions == "last" ? Word::kLastOnly : Word::kSupervised)),
          integer(first.documents, "profile.deviations[0].documents"),
          integer(profile.tokens, "profile.tokens"), seconds(profile.seconds, "profile.seconds")}));
  std::vector<std::vector<Cell>> rows{
      {word_cell(words(text(Word::kVocabulary))),
          {integer(profile.shape.vocabulary, "profile.shape.vocabulary")}},
      {word_cell(words(text(Word::kHidden))),
          {integer(profile.shape.hidden, "profile.shape.hidden")}},
      {word_cell(words(text(Word::kTied))),
          word_cell(words(text(profile.shape.tied ? Word::kYes : Word::kNo)))},
      {word_cell(words(text(Word::kRidge))), {number(profile.basis_ridge, "profile.basis_ridge")}},
      {word_cell(words(text(Word::kNorm))),
          word_cell(words(text(profile.norm == "final" ? Word::kYes : Word::kNo)))}};
  for (std::size_t i = 0; i < profile.scaling_laws.size(); ++i) {
    const types::ScalingLaw& law = profile.scaling_laws[i];
    const Word measure =
        law.measure == types::Measure::kCosine ? Word::kCosine : Word::kLossMeasure;
    rows.push_back({word_cell(words(text(Word::kLaw)) + tag(measure)),
        word_cell(law_text(law, "profile.scaling_laws[" + std::to_string(i) + "]"))});
  }
  return out + table({"", ""}, rows) + domain(profile, context);
}

std::string repeat(const RunData& run, const Context& /*context*/) {
  std::string out;
  if (run.run) {
    const std::string replay =
        "salf train --replay " +
        shell_word(
            run.path + (run.path.size() > 5 && run.path.substr(run.path.size() - 5) == ".json"
                               ? ""
                               : "/run.json")) +
        " --output again";
    out += paragraph(words(text(Word::kReplay))) + "<pre><code>" + escape(replay) + "</code></pre>";
    out += folded(text(Word::kCommand),
        "<pre><code>" + escape(command_line(run.run->options)) + "</code></pre>");
  }
  out += origin(run);
  if (run.run) out += folded(text(Word::kOptions), options_table(run.run->options));
  return out;
}

}  // namespace salf::report
