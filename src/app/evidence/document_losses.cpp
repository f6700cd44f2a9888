#include "app/evidence/document_losses.h"

#include <cmath>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"
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

}  // namespace

std::optional<train::MeasuredLosses> measure_losses(
    const Session& session, const std::vector<std::int64_t>& documents, core::Progress& progress) {
  train::EvaluateOptions how;
  how.autocast = session.autocast();
  how.keep_going = [] { return core::stop_signal() == 0; };
  train::MeasuredLosses losses =
      train::evaluate(*session.graph, session.rows(documents), how, progress);
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

}  // namespace salf::app
