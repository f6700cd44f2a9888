#include "app/evidence/evaluation.h"

#include <algorithm>
#include <vector>

#include "app/evidence/document_losses.h"
#include "core/error.h"
#include "core/signals.h"
#include "train/evaluate.h"

namespace salf::app {
namespace {

std::vector<std::int64_t> scored_documents(
    const Session& session, data::Split split, std::int64_t count) {
  const data::Dataset& dataset = *session.dataset;
  std::vector<std::int64_t> documents =
      count > 0 ? data::sample_documents(dataset, split, count, session.seed())
                : dataset.indices(split);
  if (documents.empty())
    throw Error(ErrorKind::kBadInput, session.data_path + ": the " + core::enum_to_string(split) +
                                          " split has no documents; --split all scores every one");
  return documents;
}

// The questions that stand on the same lines as the documents.
std::vector<data::ChoiceRow> questions_of(
    const data::Dataset& dataset, const std::vector<std::int64_t>& documents) {
  std::vector<std::int64_t> lines;
  for (const std::int64_t index : documents)
    lines.push_back(dataset.documents[static_cast<std::size_t>(index)].line);
  std::sort(lines.begin(), lines.end());
  std::vector<data::ChoiceRow> rows;
  for (const data::ChoiceRow& row : dataset.choices) {
    if (std::binary_search(lines.begin(), lines.end(), row.line)) rows.push_back(row);
  }
  return rows;
}

}  // namespace

std::optional<types::EvaluationRecord> evaluate(
    const Session& session, data::Split split, std::int64_t documents, core::Progress& progress) {
  const std::vector<std::int64_t> scored = scored_documents(session, split, documents);
  const auto measured = measure_losses(session, scored, progress);
  if (!measured) return std::nullopt;
  types::EvaluationRecord record;
  record.provenance = session.provenance();
  record.split = core::enum_to_string(split);
  record.tokens = measured->evaluation;
  record.losses = named_losses(*session.dataset, measured->documents);
  const std::vector<data::ChoiceRow> questions = questions_of(*session.dataset, scored);
  if (questions.empty()) return record;
  train::EvaluateOptions how;
  how.autocast = session.autocast();
  how.keep_going = [] { return core::stop_signal() == 0; };
  record.choices =
      train::evaluate_choices(*session.graph, questions, session.batch.batch_tokens, how, progress);
  if (core::stop_signal() != 0) return std::nullopt;
  return record;
}

}  // namespace salf::app
