// The sections Basis and Repeat: the measurement, and what is needed to run it again.
#include "core/json.h"
#include "core/text.h"
#include "report/page/html.h"
#include "report/sections/sections.h"

namespace salf::report {
namespace {

std::string law_text(const types::ScalingLaw& law, const std::string& path) {
  if (!law.found) return words(Word::kNoLaw);
  return words(
      Word::kLawText, {number(law.c, path + ".c"), number(law.a, path + ".a"),
                          number(law.b, path + ".b"), number(law.r_squared, path + ".r_squared")});
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

std::string origin(const RunData& run) {
  const types::Provenance& from = provenance(run);
  const auto row = [](Word name, const std::string& value) {
    return Row{name, word_cell(code(value))};
  };
  Rows rows{row(Word::kModel, escape(from.model)), row(Word::kModelHash, escape(from.model_hash)),
      row(Word::kData, escape(from.data)), row(Word::kDataHash, escape(from.data_hash)),
      row(Word::kTokenizerHash, escape(from.tokenizer_hash)),
      row(Word::kVersions,
          "salf " + escape(from.salf_version) + ", torch " + escape(from.torch_version)),
      row(Word::kMachine,
          words(Word::kThreads, {escape(from.machine), core::format_count(from.threads)})),
      row(Word::kCreated, escape(from.created))};
  if (run.run) rows.push_back(row(Word::kSeed, std::to_string(run.run->seed)));
  return table({Word::kNone, Word::kNone}, rows);
}

std::string options_table(const core::Json& options) {
  Rows rows;
  for (const auto& [key, value] : options.items()) {
    rows.push_back(
        {word_cell(code(escape(key, 200))), word_cell(code(escape(text_of(value), 2000)))});
  }
  return table({Word::kOption, Word::kValue}, rows);
}

std::string command_block(const std::string& command) {
  return "<pre>" + code(escape(command)) + "</pre>";
}

}  // namespace

const types::Provenance& provenance(const RunData& run) {
  if (run.run) return run.run->provenance;
  return run.plan ? run.plan->provenance : run.profile->provenance;
}

Word measure_word(types::Measure measure) {
  return measure == types::Measure::kCosine ? Word::kCosine : Word::kLossMeasure;
}

std::string rule_name(types::Rule rule) { return code(core::enum_to_string(rule)); }

std::string command_line(const core::Json& options) {
  std::string line = "salf train";
  for (const auto& [key, value] : options.items()) {
    const std::string flag = " " + shell_word(core::flag_name(key));
    if (value.is_boolean()) {
      if (value.get<bool>()) line += flag;
    } else if (value.is_array()) {
      for (const core::Json& item : value) line += flag + " " + shell_word(text_of(item));
    } else if (!value.is_null() && !value.is_object() && value != "") {
      line += flag + " " + shell_word(text_of(value));
    }
  }
  return line + " --output again";
}

std::string basis(const RunData& run, const Context& context) {
  if (!run.profile) return paragraph(Word::kNoProfile);
  const types::LayerProfile& profile = *run.profile;
  const types::Deviation& first = profile.deviations.front();
  const std::string out = paragraph(Word::kBasisLine,
      {integer(first.positions, "profile.deviations[0].positions"),
          words(profile.positions == "last" ? Word::kLastOnly : Word::kSupervised),
          integer(first.documents, "profile.deviations[0].documents"),
          integer(profile.tokens, "profile.tokens"), seconds(profile.seconds, "profile.seconds")});
  Rows rows{{Word::kVocabulary, integer(profile.shape.vocabulary, "profile.shape.vocabulary")},
      {Word::kHidden, integer(profile.shape.hidden, "profile.shape.hidden")},
      {Word::kTied, profile.shape.tied ? Word::kYes : Word::kNo},
      {Word::kRidge, number(profile.basis_ridge, "profile.basis_ridge")},
      {Word::kNorm, profile.norm == "final" ? Word::kYes : Word::kNo}};
  for (std::size_t i = 0; i < profile.scaling_laws.size(); ++i) {
    const types::ScalingLaw& law = profile.scaling_laws[i];
    rows.push_back({word_cell(words(Word::kLaw) + tag(measure_word(law.measure))),
        word_cell(law_text(law, indexed("profile.scaling_laws", i)))});
  }
  return out + table({Word::kNone, Word::kNone}, rows) + domain(profile, context);
}

std::string repeat(const RunData& run, const Context& /*context*/) {
  if (!run.run) return origin(run);
  const bool is_file = run.path.size() > 5 && core::ends_with(run.path, ".json");
  const std::string record = run.path + (is_file ? "" : "/run.json");
  return paragraph(Word::kReplay) +
         command_block("salf train --replay " + shell_word(record) + " --output again") +
         folded(text(Word::kCommand), command_block(command_line(run.run->options))) + origin(run) +
         folded(text(Word::kOptions), options_table(run.run->options));
}

}  // namespace salf::report
