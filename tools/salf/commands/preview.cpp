#include "commands/preview.h"

#include <algorithm>

#include "command_list.h"
#include "core/text.h"
#include "model/model_directory.h"
#include "text/token_text.h"

namespace salf::tools {
namespace {

// What the preview needs of a model: no weights are read.
struct TokenizerFile {
  std::filesystem::path path;
  std::int64_t context = 0;
};

TokenizerFile find_tokenizer(const PreviewOptions& options) {
  namespace fs = std::filesystem;
  if (options.model.empty()) return {options.tokenizer, 0};
  if (fs::path(options.model).extension() == ".json") return {options.model, 0};
  const fs::path beside = fs::path(options.model) / "tokenizer.json";
  if (fs::is_regular_file(beside) && !fs::exists(fs::path(options.model) / "model.pt")) {
    return {options.tokenizer.empty() ? beside : fs::path(options.tokenizer), 0};
  }
  const model::ModelFiles files = model::find_model(options.model, options.tokenizer);
  if (files.tokenizer.empty()) {
    throw Error(ErrorKind::kBadModel,
        options.model +
            ": there is no tokenizer.json beside the model; --tokenizer FILE names one");
  }
  return {files.tokenizer, files.card.context};
}

// The figures of the whole file.
core::Json counts_json(const data::Dataset& dataset) {
  std::size_t tokens = 0, longest = 0;
  std::int64_t supervised = 0;
  for (const data::Document& document : dataset.documents) {
    tokens += document.ids.size();
    supervised += data::count_labels(document);
    longest = std::max(longest, document.ids.size());
  }
  const auto in = [&](data::Split split) { return dataset.indices(split).size(); };
  const data::DataReport& report = dataset.report;
  return {{"rows_read", report.rows}, {"documents", dataset.documents.size()}, {"tokens", tokens},
      {"supervised_tokens", supervised}, {"longest", longest}, {"train", in(data::Split::kTrain)},
      {"dev", in(data::Split::kDev)}, {"test", in(data::Split::kTest)},
      {"conversations", report.chats}, {"cut", report.cut_documents},
      {"duplicates", report.duplicates}, {"bad_rows", report.bad_rows},
      {"without_supervision", report.without_supervision}, {"dev_overlap", report.dev_overlap},
      {"test_overlap", report.test_overlap}};
}

core::Json row_json(
    const data::Dataset& dataset, std::size_t index, const data::Tokenizer& tokenizer) {
  const data::Document& document = dataset.documents[index];
  core::Json row = core::Json::object();
  row["line"] = document.line;
  row["split"] = core::enum_to_string(dataset.splits[index]);
  row["ids"] = document.ids;
  core::Json tokens = core::Json::array();
  core::Json loss = core::Json::array();
  for (std::size_t t = 0; t < document.ids.size(); ++t) {
    tokens.push_back(tokenizer.decode({document.ids[t]}));
    loss.push_back(carries_loss(document, t) ? 1 : 0);
  }
  row["tokens"] = std::move(tokens);
  row["loss"] = std::move(loss);
  return row;
}

core::Json result_json(
    const data::Dataset& dataset, std::size_t rows, const data::Tokenizer& tokenizer) {
  core::Json json = {{"schema", "salf.preview/1"}, {"data_hash", dataset.hash},
      {"tokenizer_hash", tokenizer.hash()}, {"chat_template", dataset.chat_template},
      {"rows", core::Json::array()}, {"counts", counts_json(dataset)}};
  for (std::size_t i = 0; i < rows; ++i) json["rows"].push_back(row_json(dataset, i, tokenizer));
  return json;
}

std::string row_text(const data::Dataset& dataset, std::size_t index,
    const data::Tokenizer& tokenizer, const TextStyle& style) {
  const data::Document& document = dataset.documents[index];
  return "line " + core::format_count(document.line) + ", " +
         core::enum_to_string(dataset.splits[index]) + ": " +
         core::format_count(static_cast<std::int64_t>(document.ids.size())) + " tokens, " +
         core::format_count(data::count_labels(document)) + " with loss\n" +
         token_text(document, tokenizer, style) + "\n";
}

std::string counts_text(const core::Json& counts, const std::string& chat_template) {
  const auto count = [&](const char* name) {
    return core::format_count(counts.at(name).get<std::int64_t>());
  };
  std::string text;
  const auto row = [&](const char* name, const std::string& value) {
    text += named(name, value, 20);
  };
  if (!chat_template.empty()) row("chat template", core::printable(chat_template));
  row("documents", count("documents") + ": " + count("train") + " train, " + count("dev") +
                       " dev, " + count("test") + " test");
  row("tokens", count("tokens") + ", of these " + count("supervised_tokens") + " with loss");
  row("longest document", count("longest") + " tokens");
  row("cut", count("cut"));
  row("duplicates", count("duplicates") + " left out");
  row("shared prompts", count("dev_overlap") + " of dev in train, " + count("test_overlap") +
                            " of test in train or dev");
  return text;
}

}  // namespace

std::vector<std::string> PreviewOptions::problems() const {
  std::vector<std::string> problems;
  if (model.empty() && tokenizer.empty())
    problems.emplace_back("a model or --tokenizer FILE is needed: rows are shown as its tokens");
  require_data(data.data, "the rows to show", problems);
  return problems;
}

int run(const PreviewOptions& options, core::Progress& progress) {
  const TokenizerFile file = find_tokenizer(options);
  const auto tokenizer = data::load_tokenizer(file.path);
  const data::Dataset dataset = data::load_dataset(
      options.data, *tokenizer, file.context, progress, data::read_model_template(file.path));
  for (const auto& line : data::describe(dataset.report)) core::log_info(line);
  for (const auto& line : data::warnings(dataset.report)) core::log_warning(line);
  const std::size_t rows =
      std::min(static_cast<std::size_t>(options.rows), dataset.documents.size());
  const core::Json json = result_json(dataset, rows, *tokenizer);
  const TextStyle style = style_of_stdout();
  std::string text;
  for (std::size_t i = 0; i < rows; ++i) text += row_text(dataset, i, *tokenizer, style);
  return print_result(
      options.common, json, text + counts_text(json["counts"], dataset.chat_template));
}

Command preview_command() {
  return make_command<PreviewOptions>(
      {"data preview", "Show rows as tokens, with what carries loss", {"model"},
          "Examples:\n  salf data preview smollm2 --data chats.jsonl --rows 3\n"
          "  zcat rows.jsonl.gz | salf data preview tokenizer.json --data - "
          "--chat-template chatml"},
      &run);
}

}  // namespace salf::tools
