#include "report/compare/compare.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_map>

#include "core/error.h"
#include "core/log.h"
#include "core/statistics.h"
#include "core/text.h"
#include "report/page/html.h"

namespace salf::report {
namespace {

using types::DocumentLosses;

PairedDifference paired(const DocumentLosses& base, const DocumentLosses& other,
    const std::vector<double> DocumentLosses::*values) {
  std::unordered_map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < base.documents.size(); ++i) places.emplace(base.documents[i], i);
  core::ClusteredMean mean;
  for (std::size_t i = 0; i < other.documents.size(); ++i) {
    const auto found = places.find(other.documents[i]);
    if (found == places.end() || base.tokens[found->second] != other.tokens[i]) continue;
    mean.add((other.*values)[i] - (base.*values)[found->second], other.tokens[i]);
  }
  if (mean.clusters() == 0) return {};
  const core::Estimate estimate = mean.estimate();
  return {estimate.mean, estimate.standard_error, mean.clusters()};
}

// One side's held-out figures.
struct Held {
  double loss = 0.0, loss_error = 0.0;
  std::optional<double> accuracy, accuracy_error;
  const DocumentLosses* documents = nullptr;
};

std::optional<Held> held(const Comparable& one) {
  Held result;
  if (one.evaluation) {
    const types::Evaluation& tokens = one.evaluation->tokens;
    result.loss = tokens.loss.value;
    result.loss_error = tokens.standard_error;
    result.accuracy = tokens.accuracy.value;
    if (one.evaluation->losses) {
      result.documents = &*one.evaluation->losses;
      result.accuracy_error = types::summarize(*result.documents).accuracy_error;
    } else {
      result.accuracy_error =
          (tokens.accuracy.high - tokens.accuracy.low) / (2.0 * core::kNormal95);
    }
    return result;
  }
  if (!one.run->best) return std::nullopt;
  result.loss = one.run->best->loss;
  result.loss_error = one.run->best->standard_error;
  const bool kept =
      one.dev_losses && one.dev_losses->best && one.dev_losses->best_step == one.run->best->step;
  if (kept) {
    result.documents = &*one.dev_losses->best;
    const types::LossSummary summary = types::summarize(*result.documents);
    result.accuracy = summary.accuracy.value;
    result.accuracy_error = summary.accuracy_error;
  }
  return result;
}

// d, s and how they were found.
struct Noise {
  double worse_by = 0.0, error = std::nan("");
  std::int64_t documents = 0;
  std::string note{};
};

bool is_paired(const Held& base, const Held& other, std::int64_t shared) {
  return shared >= 2 &&
         2 * static_cast<std::size_t>(shared) >=
             std::max(base.documents->documents.size(), other.documents->documents.size());
}

Noise noise_of(const Held& base, const Held& other, bool loss, double apart, double base_error,
    double other_error) {
  if (base.documents != nullptr && other.documents != nullptr) {
    const PairedDifference pairs = loss ? paired_loss(*base.documents, *other.documents)
                                        : paired_accuracy(*base.documents, *other.documents);
    if (is_paired(base, other, pairs.documents)) {
      return {loss ? pairs.difference : -pairs.difference, pairs.standard_error, pairs.documents,
          "paired over " + core::format_count(pairs.documents) + " documents"};
    }
  }
  const double error = std::sqrt(base_error * base_error + other_error * other_error);
  if (!std::isfinite(error))
    return {apart, error, 0, "no interval is known (fewer than two documents)"};
  return {apart, error, 0, "not paired: documents' losses are not in both"};
}

Check make_check(const char* name, const char* unit, double base, double other, const Noise& noise,
    const std::optional<Limit>& limit) {
  Check check{
      name, unit, base, other, noise.worse_by, {}, {}, {}, Verdict::kInformation, noise.note};
  if (std::isfinite(noise.error)) {
    check.standard_error = noise.error;
    check.at_least = noise.worse_by -
                     student_95(noise.documents > 1 ? noise.documents - 1 : 1000000) * noise.error;
  }
  if (!limit) return check;
  check.limit = limit->of(base);
  const bool by_chance = check.at_least && !(*check.at_least > 0.0);
  check.verdict =
      check.worse_by > *check.limit && !by_chance ? Verdict::kRegression : Verdict::kPass;
  return check;
}

Check plain_check(const char* name, const char* unit, double base, double other,
    const std::optional<Limit>& limit) {
  return make_check(name, unit, base, other, {other - base}, limit);
}

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorKind::kBadInput, message); }

const types::Provenance& made(const Comparable& one) {
  return one.run ? one.run->provenance : one.evaluation->provenance;
}

[[noreturn]] void refuse_pair(
    const Comparable& base, const Comparable& other, const std::string& reason) {
  refuse(core::printable(base.path) + " and " + core::printable(other.path) +
         ": cannot be compared: " + reason);
}

void check_kinds(const Comparable& base, const Comparable& other) {
  if (base.run.has_value() != other.run.has_value())
    refuse_pair(base, other, "one is a run, the other an evaluation; give two of a kind");
  if (made(base).tokenizer_hash != made(other).tokenizer_hash)
    refuse_pair(base, other, "their tokenizers differ, and with them what a token is");
  if (base.evaluation && base.evaluation->split != other.evaluation->split) {
    refuse_pair(base, other,
        "they scored the splits " + core::printable(base.evaluation->split) + " and " +
            core::printable(other.evaluation->split));
  }
}

// The same data, or at least mostly the same documents.
void check_same_documents(
    const Comparable& base, const Comparable& other, const Held& here, const Held& there) {
  if (made(base).data_hash == made(other).data_hash) return;
  if (here.documents != nullptr && there.documents != nullptr &&
      is_paired(here, there, paired_loss(*here.documents, *there.documents).documents))
    return;
  refuse_pair(
      base, other, "they were measured on different data (score both on one file with salf eval)");
}

std::optional<Limit> limit_of(const std::string& text, LimitKind kind) {
  return text.empty() ? std::nullopt : parse_limit(text, kind);
}

void need(bool there, const std::string& text, const char* flag, const char* what) {
  if (there || text.empty()) return;
  refuse(std::string(flag) + ": cannot be checked: " + what);
}

void add_quality(const Comparable& base, const Comparable& other, const LimitTexts& limits,
    bool loss_by_default, Comparison& result) {
  const std::optional<Held> here = held(base);
  const std::optional<Held> there = held(other);
  const bool both = here && there;
  need(both, limits.max_loss_increase, "--max-loss-increase", "one of the two has no evaluation");
  need(both && here->accuracy && there->accuracy, limits.max_accuracy_decrease,
      "--max-accuracy-decrease",
      "one of the two has no accuracy (runs keep it in dev_losses.json)");
  if (!both) {
    if (loss_by_default)
      refuse("there is no evaluation in one of the two, and no limit on anything else was given");
    result.notes.emplace_back("no evaluation in one of the two: the loss is not compared");
    return;
  }
  check_same_documents(base, other, *here, *there);
  const auto loss_limit = loss_by_default ? std::optional<Limit>(Limit{0.0, false})
                                          : limit_of(limits.max_loss_increase, LimitKind::kNumber);
  const Noise loss =
      noise_of(*here, *there, true, there->loss - here->loss, here->loss_error, there->loss_error);
  result.checks.push_back(make_check("loss", "nats", here->loss, there->loss, loss, loss_limit));
  if (!here->accuracy || !there->accuracy) return;
  const Noise accuracy = noise_of(*here, *there, false, *here->accuracy - *there->accuracy,
      here->accuracy_error.value_or(std::nan("")), there->accuracy_error.value_or(std::nan("")));
  result.checks.push_back(make_check("accuracy", "", *here->accuracy, *there->accuracy, accuracy,
      limit_of(limits.max_accuracy_decrease, LimitKind::kNumber)));
}

void add_choices(
    const Comparable& base, const Comparable& other, const LimitTexts& limits, Comparison& result) {
  if (!base.evaluation || !base.evaluation->choices || !other.evaluation->choices) return;
  const types::ChoiceEvaluation& here = *base.evaluation->choices;
  const types::ChoiceEvaluation& there = *other.evaluation->choices;
  if (here.rows == 0 || there.rows == 0) return;
  const auto variance = [](const types::ChoiceEvaluation& one) {
    return one.accuracy.value * (1.0 - one.accuracy.value) / static_cast<double>(one.rows);
  };
  const Noise noise{here.accuracy.value - there.accuracy.value,
      std::sqrt(variance(here) + variance(there)), 0, "not paired"};
  result.checks.push_back(make_check("choice accuracy", "", here.accuracy.value,
      there.accuracy.value, noise, limit_of(limits.max_accuracy_decrease, LimitKind::kNumber)));
}

void add_costs(
    const Comparable& base, const Comparable& other, const LimitTexts& limits, Comparison& result) {
  const auto time_limit = limit_of(limits.max_time_increase, LimitKind::kTime);
  if (base.evaluation) {
    need(false, limits.max_memory_increase, "--max-memory-increase",
        "evaluations do not record memory; compare runs");
    if (limits.max_cut_move)
      refuse("--max-eof-move: cannot be checked: evaluations have no cut; compare runs");
    result.checks.push_back(plain_check("time", "s", base.evaluation->tokens.seconds,
        other.evaluation->tokens.seconds, time_limit));
    return;
  }
  const types::RunRecord& here = *base.run;
  const types::RunRecord& there = *other.run;
  result.checks.push_back(plain_check(
      "time", "s", here.measured_seconds.total(), there.measured_seconds.total(), time_limit));
  const bool memory = here.peak_anonymous_bytes > 0 && there.peak_anonymous_bytes > 0;
  need(memory, limits.max_memory_increase, "--max-memory-increase",
      "one of the two runs recorded no memory");
  if (memory) {
    result.checks.push_back(
        plain_check("memory", "bytes", static_cast<double>(here.peak_anonymous_bytes),
            static_cast<double>(there.peak_anonymous_bytes),
            limit_of(limits.max_memory_increase, LimitKind::kMemory)));
  }
  std::optional<Limit> move;
  if (limits.max_cut_move) move = Limit{static_cast<double>(*limits.max_cut_move), false};
  const auto cut = static_cast<double>(here.cut()), new_cut = static_cast<double>(there.cut());
  result.checks.push_back(
      make_check("eof", "blocks", cut, new_cut, {std::fabs(new_cut - cut)}, move));
}

void add_status(const Comparable& base, const Comparable& other, Comparison& result) {
  if (!other.run) return;
  const auto failed = [](const Comparable& one) {
    return one.run->status == types::RunStatus::kDiverged ||
           one.run->status == types::RunStatus::kGateFailed;
  };
  if (!failed(other)) return;
  result.checks.push_back({"status", "", failed(base) ? 1.0 : 0.0, 1.0, 1.0, {}, {}, 0.0,
      Verdict::kRegression,
      other.run->status == types::RunStatus::kDiverged ? "the new run diverged"
                                                       : "a quality gate of the new run failed"});
}

bool no_limits(const LimitTexts& limits) {
  return limits.max_loss_increase.empty() && limits.max_accuracy_decrease.empty() &&
         limits.max_time_increase.empty() && limits.max_memory_increase.empty() &&
         !limits.max_cut_move;
}

std::string sentence(const Check& check) {
  return "worse by " + core::format_number(check.worse_by) +
         (check.unit.empty() ? "" : " " + check.unit) +
         (check.at_least
                 ? ", at least " + core::format_number(*check.at_least) + " (one-sided 95 %)"
                 : std::string()) +
         ", limit " + core::format_number(check.limit.value_or(0.0)) + "; base " +
         core::format_number(check.base) + ", new " + core::format_number(check.new_value);
}

}  // namespace

PairedDifference paired_loss(const DocumentLosses& base, const DocumentLosses& new_losses) {
  return paired(base, new_losses, &DocumentLosses::loss);
}

PairedDifference paired_accuracy(const DocumentLosses& base, const DocumentLosses& new_losses) {
  return paired(base, new_losses, &DocumentLosses::correct);
}

// Abramowitz and Stegun 26.7.5, which is good to 1e-3 from 5 degrees of freedom on; below that the
// values themselves.
double student_95(std::int64_t freedom) {
  constexpr std::array<double, 4> kFew = {6.3138, 2.9200, 2.3534, 2.1318};
  if (freedom <= 4) return kFew[static_cast<std::size_t>(std::max<std::int64_t>(1, freedom) - 1)];
  constexpr double z = 1.6448536269514722;
  const auto v = static_cast<double>(freedom);
  const double z3 = z * z * z;
  const double z5 = z3 * z * z;
  const double z7 = z5 * z * z;
  return z + (z3 + z) / (4 * v) + (5 * z5 + 16 * z3 + 3 * z) / (96 * v * v) +
         (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * v * v * v);
}

Comparison compare(const Comparable& base, const Comparable& new_one, const LimitTexts& limits) {
  check_kinds(base, new_one);
  Comparison result;
  result.base = base.path;
  result.new_path = new_one.path;
  if (made(base).machine != made(new_one).machine || made(base).threads != made(new_one).threads) {
    result.notes.emplace_back(
        "made on different machines or numbers of threads: times are hardly comparable");
  }
  if (!made(base).same_dtype(made(new_one)))
    result.notes.emplace_back("made in different types (--dtype): losses differ by rounding too");
  add_quality(base, new_one, limits, no_limits(limits), result);
  add_choices(base, new_one, limits, result);
  add_costs(base, new_one, limits, result);
  add_status(base, new_one, result);
  result.regression = std::any_of(result.checks.begin(), result.checks.end(),
      [](const Check& check) { return check.verdict == Verdict::kRegression; });
  return result;
}

std::string junit_xml(const Comparison& comparison) {
  std::size_t tests = 0, failures = 0;
  std::string cases;
  for (const Check& check : comparison.checks) {
    if (check.verdict == Verdict::kInformation) continue;
    ++tests;
    cases += "    <testcase classname=\"salf.compare\" name=\"" + escape(check.name) + "\"";
    if (check.verdict == Verdict::kPass) {
      cases += "/>\n";
      continue;
    }
    ++failures;
    cases += ">\n      <failure message=\"" + escape(sentence(check)) + "\">" + escape(check.note) +
             "</failure>\n    </testcase>\n";
  }
  const std::string counts =
      " tests=\"" + std::to_string(tests) + "\" failures=\"" + std::to_string(failures) + "\"";
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites" + counts +
         ">\n  <testsuite name=\"" +
         escape("salf compare " + comparison.base + " " + comparison.new_path) + "\"" + counts +
         " errors=\"0\">\n" + cases + "  </testsuite>\n</testsuites>\n";
}

}  // namespace salf::report
