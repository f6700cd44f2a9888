#include "app/evidence/evaluation.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/signals.h"

namespace salf::app {
namespace {

constexpr std::size_t kNameDigits = 16;

std::string name_of(const data::Document& document) {
  core::Sha256 hash;
  hash.update(document.ids.data(), document.ids.size() * sizeof(std::int64_t));
  hash.update(document.labels.data(), document.labels.size() * sizeof(std::int64_t));
  return hash.hex().substr(0, kNameDigits);
}

// Nothing for more than types::DocumentLosses::kMost documents.
std::optional<types::DocumentLosses> named_losses(
    const data::Dataset& dataset, const std::vector<train::DocumentLoss>& losses) {
  if (static_cast<std::int64_t>(losses.size()) > types::DocumentLosses::kMost) return std::nullopt;
  types::DocumentLosses named;
  for (const train::DocumentLoss& one : losses) {
    named.documents.push_back(name_of(dataset.documents[static_cast<std::size_t>(one.document)]));
    named.loss.push_back(one.loss);
    named.correct.push_back(one.correct);
    named.tokens.push_back(one.tokens);
  }
  return named;
}

train::EvaluateOptions until_stopped(distributed::Group* ranks) {
  train::EvaluateOptions how;
  how.ranks = ranks;
  how.keep_going = [] { return core::stop_signal() == 0; };
  return how;
}

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

std::optional<train::MeasuredLosses> measure_losses(const Session& session,
    const std::vector<std::int64_t>& documents, core::Progress& progress,
    distributed::Group* ranks) {
  train::MeasuredLosses losses =
      train::evaluate(*session.graph, session.rows(documents), until_stopped(ranks), progress);
  if (losses.stopped) return std::nullopt;
  return losses;
}

std::optional<types::LossBefore> loss_before(const train::MeasuredLosses& losses) {
  const train::Evaluation& measured = losses.evaluation;
  if (!std::isfinite(measured.loss.value) || !std::isfinite(measured.standard_error))
    return std::nullopt;
  return types::LossBefore{
      measured.loss.value, measured.standard_error, measured.documents, measured.supervised_tokens};
}

DevLossKeeper::DevLossKeeper(const data::Dataset& dataset, std::filesystem::path file, bool resumed)
    : dataset_(dataset), file_(std::move(file)) {
  if (!resumed) {
    std::error_code ignored;
    std::filesystem::remove(file_, ignored);
    return;
  }
  if (!std::filesystem::exists(file_)) return;
  kept_ = types::read_dev_losses(file_);
  if (kept_.best) best_loss_ = types::summarize(*kept_.best).loss.value;
}

void DevLossKeeper::evaluation(
    const types::DevEvaluation& evaluation, const std::vector<train::DocumentLoss>& documents) {
  const bool first = evaluation.step == 0;
  const bool best =
      std::isfinite(evaluation.loss) && (!best_loss_ || evaluation.loss < *best_loss_);
  if (!first && !best) return;
  std::optional<types::DocumentLosses> losses = named_losses(dataset_, documents);
  if (first) {
    kept_.before = losses;
    kept_.before_step = evaluation.step;
  }
  if (best) {
    kept_.best = std::move(losses);
    kept_.best_step = evaluation.step;
    best_loss_ = evaluation.loss;
  }
  core::write_document(file_, kept_);
}

std::optional<types::EvaluationRecord> evaluate(const Session& session, data::Split split,
    std::int64_t documents, core::Progress& progress, distributed::Group* ranks) {
  const std::vector<std::int64_t> scored = scored_documents(session, split, documents);
  const auto measured = measure_losses(session, scored, progress, ranks);
  if (!measured) return std::nullopt;
  types::EvaluationRecord record;
  record.provenance = session.provenance();
  record.split = core::enum_to_string(split);
  record.tokens = measured->evaluation;
  record.losses = named_losses(*session.dataset, measured->documents);
  const std::vector<data::ChoiceRow> questions = questions_of(*session.dataset, scored);
  if (questions.empty()) return record;
  record.choices = train::evaluate_choices(
      *session.graph, questions, session.batch.tokens(), until_stopped(ranks), progress);
  const bool all = record.choices->rows == static_cast<std::int64_t>(questions.size());
  if (core::stop_signal() != 0 || !all) return std::nullopt;
  return record;
}

}  // namespace salf::app
