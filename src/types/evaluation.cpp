#include "types/evaluation.h"

#include <cmath>
#include <unordered_set>

#include "core/log.h"
#include "core/statistics.h"
#include "types/range_check.h"

namespace salf::types {
namespace {

using core::detail::item_path;
using core::detail::member_path;

Figure figure(const core::Estimate& estimate) {
  const double reach = core::kNormal95 * estimate.standard_error;
  return {estimate.mean, estimate.mean - reach, estimate.mean + reach};
}

void check_at_least_zero(double value, const std::string& path) {
  if (std::isfinite(value) && value >= 0.0) return;
  refuse_document(
      path, "expected a finite number of at least 0, got " + core::format_number(value));
}

}  // namespace

void check(const DocumentLosses& losses, const std::string& where) {
  check_ranges(losses, where);
  const std::size_t count = losses.documents.size();
  if (losses.loss.size() != count || losses.correct.size() != count ||
      losses.tokens.size() != count) {
    refuse_document(where, "expected documents, loss, correct and tokens of one length, got " +
                               std::to_string(count) + ", " + std::to_string(losses.loss.size()) +
                               ", " + std::to_string(losses.correct.size()) + " and " +
                               std::to_string(losses.tokens.size()));
  }
  std::unordered_set<std::string> seen;
  for (std::size_t i = 0; i < count; ++i) {
    if (!seen.insert(losses.documents[i]).second) {
      refuse_document(item_path(member_path(where, "documents"), i),
          "\"" + core::printable(losses.documents[i], 40) + "\" occurs twice");
    }
    if (losses.correct[i] > losses.tokens[i]) {
      refuse_document(
          item_path(member_path(where, "correct"), i), "more than the document's tokens");
    }
  }
}

void check(const EvaluationRecord& record, const std::string& where) {
  const std::string tokens = member_path(where, "tokens");
  if (record.tokens.documents < 0) refuse_document(tokens + ".documents", "expected at least 0");
  check_at_least_zero(record.tokens.loss.value, tokens + ".loss.value");
  check_at_least_zero(record.tokens.accuracy.value, tokens + ".accuracy.value");
  check_at_least_zero(record.tokens.seconds, tokens + ".seconds");
  if (record.choices) {
    const std::string choices = member_path(where, "choices");
    check_at_least_zero(record.choices->accuracy.value, choices + ".accuracy.value");
    if (record.choices->rows < record.choices->correct || record.choices->correct < 0)
      refuse_document(choices + ".correct", "expected 0 to rows");
  }
  if (record.generation) {
    const AnswerScores& scores = *record.generation;
    const std::string generation = member_path(where, "generation");
    check_at_least_zero(scores.exact_match.value, generation + ".exact_match.value");
    check_at_least_zero(scores.f1.value, generation + ".f1.value");
    if (scores.rows < 0 || scores.number_rows < 0 || scores.number_rows > scores.rows)
      refuse_document(generation + ".number_rows", "expected 0 to rows");
  }
  if (record.losses) check(*record.losses, member_path(where, "losses"));
}

void check(const DevLosses& losses, const std::string& where) {
  check_ranges(losses, where);
  if (losses.before) check(*losses.before, member_path(where, "before"));
  if (losses.best) check(*losses.best, member_path(where, "best"));
}

EvaluationRecord read_evaluation(const std::filesystem::path& path) {
  return read_checked<EvaluationRecord>(path);
}

DevLosses read_dev_losses(const std::filesystem::path& path) {
  return read_checked<DevLosses>(path);
}

LossSummary summarize(const DocumentLosses& losses) {
  core::ClusteredMean loss, accuracy;
  for (std::size_t i = 0; i < losses.documents.size(); ++i) {
    loss.add(losses.loss[i], losses.tokens[i]);
    accuracy.add(losses.correct[i], losses.tokens[i]);
  }
  LossSummary summary;
  summary.loss = figure(loss.estimate());
  summary.loss_error = loss.estimate().standard_error;
  summary.accuracy = figure(accuracy.estimate());
  summary.accuracy_error = accuracy.estimate().standard_error;
  return summary;
}

}  // namespace salf::types
