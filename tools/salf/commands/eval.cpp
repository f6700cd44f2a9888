#include "commands/eval.h"

#include <algorithm>
#include <cstdio>

#include "app/evidence/document_losses.h"
#include "app/planning/planning.h"
#include "app/session/session.h"
#include "core/error.h"
#include "core/json.h"
#include "core/signals.h"
#include "core/text.h"
#include "output_file.h"
#include "text/show_run.h"
#include "train/evaluate.h"
#include "types/evaluation.h"

namespace salf::tools {
namespace {

// Questions belong to the split of their document (the same line of the file).
std::vector<data::ChoiceRow> choices_of(
    const data::Dataset& dataset, const std::vector<std::int64_t>& documents) {
  std::vector<std::int64_t> lines;
  for (const std::int64_t index : documents)
    lines.push_back(dataset.documents[static_cast<std::size_t>(index)].line);
  std::sort(lines.begin(), lines.end());
  std::vector<data::ChoiceRow> rows;
  for (const auto& row : dataset.choices) {
    if (std::binary_search(lines.begin(), lines.end(), row.line)) rows.push_back(row);
  }
  return rows;
}

}  // namespace

std::vector<std::string> EvalOptions::problems() const {
  std::vector<std::string> problems;
  if (model.model.empty())
    problems.emplace_back("a model is needed: a model directory, a run directory or an archive");
  if (data.data.empty()) problems.emplace_back("--data FILE is needed: the documents to score");
  return problems;
}

int eval_command(const EvalOptions& options, core::Progress& progress) {
  if (!options.output.empty())
    check_output_file(options.output, types::EvaluationRecord::kSchema, options.common.force);
  app::ModelSession session = app::open_model(options.model, true);
  const data::Dataset dataset = app::open_data(options.data, session, options.batch, progress);
  std::vector<std::int64_t> documents = dataset.indices(options.split);
  if (options.documents > 0) {
    documents = data::sample_documents(
        dataset, options.split, options.documents, static_cast<std::uint64_t>(options.model.seed));
  }
  if (documents.empty()) {
    throw Error(ErrorKind::kBadInput, options.data.data + ": the " +
                                          core::enum_to_string(options.split) +
                                          " split has no documents; --split all scores every one");
  }
  const auto measured = app::measure_losses(
      session, dataset, documents, options.batch, options.model.dtype, progress);
  if (!measured) return 128 + core::stop_signal();
  types::EvaluationRecord result;
  result.provenance = app::provenance(session, &dataset, options.data.data, options.model.model);
  result.split = core::enum_to_string(options.split);
  result.tokens = measured->evaluation;
  const std::vector<data::ChoiceRow> questions = choices_of(dataset, documents);
  if (!questions.empty()) {
    train::EvaluateOptions how;
    how.autocast = app::autocast_type(options.model.dtype, session.device);
    how.keep_going = [] { return core::stop_signal() == 0; };
    result.choices = train::evaluate_choices(
        *session.graph, questions, options.batch.batch_tokens, how, progress);
    if (core::stop_signal() != 0) return 128 + core::stop_signal();
  }
  if (options.common.json) {
    core::Json json = core::Json::object();
    json["schema"] = types::EvaluationRecord::kSchema;
    json.update(core::to_json(result));
    std::fputs(core::format_json(json).c_str(), stdout);
  } else {
    std::fputs(evaluation_text(result).c_str(), stdout);
  }
  if (options.output.empty()) return 0;
  result.losses = app::named_losses(dataset, measured->documents);
  core::write_document(options.output, result);
  return 0;
}

}  // namespace salf::tools
