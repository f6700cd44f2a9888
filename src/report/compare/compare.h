// Comparing NEW with BASE: limits on loss, accuracy, time, memory and the cut, with the noise of
// the held-out documents.
//
// Rule. Let d be how much worse NEW is (loss: new − base; accuracy: base − new), with standard
// error s. It is a regression if d > limit and d − t·s > 0, t the one-sided 95 % quantile of
// Student's distribution with n − 1 degrees of freedom (n documents): d is beyond what was allowed,
// and its one-sided 95 % interval leaves out that nothing got worse. Whatever the limit, runs
// without a difference are called a regression in at most 5 % of cases; with limits that are small
// beside s, runs that differ by 3·s in 90 % or more. Paired where both kept their documents' losses
// (the same documents, as DocumentLosses names them): s is the error of the ratio estimator of the
// differences (core/statistics.h). Otherwise s² = s_base² + s_new². Time, memory and the cut have
// no known noise: d > limit is a regression.
#pragma once

#include <filesystem>

#include "types/evaluation.h"
#include "types/run_record.h"

namespace salf::report {

// NEW − BASE of the mean loss, over the documents that both have.
struct PairedDifference {
  double difference = 0.0;
  double standard_error = 0.0;  // NaN with fewer than two documents
  std::int64_t documents = 0;
};
PairedDifference paired_loss(
    const types::DocumentLosses& base, const types::DocumentLosses& new_losses);
// The same of the next-token accuracy.
PairedDifference paired_accuracy(
    const types::DocumentLosses& base, const types::DocumentLosses& new_losses);

// One-sided 95 % quantile of Student's distribution; 1.645 for many degrees of freedom. REQUIRES:
// freedom ≥ 1
double student_95(std::int64_t freedom);

// Limits as text: "0.01", or "2%" of BASE's value; time also "30s", memory also "500MB". "" is no
// limit.
struct LimitTexts {
  std::string max_loss_increase;
  std::string max_accuracy_decrease;
  std::string max_time_increase;
  std::string max_memory_increase;
  std::optional<std::int64_t> max_cut_move;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"max_loss_increase",
              "nats a token, as 0.01, or a share of BASE's loss, as 1%; beyond the noise"},
        self.max_loss_increase);
    visit(Field{"max_accuracy_decrease",
              "of next tokens (or choices): 0.01 is one point, 1% a share of BASE's; beyond the "
              "noise"},
        self.max_accuracy_decrease);
    visit(Field{"max_time_increase", "10%, or a time, as 30s"}, self.max_time_increase);
    visit(Field{"max_memory_increase", "10%, or bytes, as 500MB"}, self.max_memory_increase);
    visit(Field{"max_eof_move", "blocks by which the cut may move, up or down"}.range(0, 1e5),
        self.max_cut_move);
  }
};

enum class LimitKind { kNumber, kTime, kMemory };
struct Limit {
  double amount = 0.0;
  bool share = false;  // of BASE's value
  double of(double base) const { return share ? amount * base : amount; }
};
// Parses "10%", "0.01", "30s", "500MB"; nothing for other texts.
std::optional<Limit> parse_limit(const std::string& text, LimitKind kind);

// A run or an evaluation. Throws Error(kIo), Error(kBadInput); refuses a run that has not ended.
struct Comparable {
  std::string path;
  std::optional<types::RunRecord> run;
  std::optional<types::DevLosses> dev_losses;
  std::optional<types::EvaluationRecord> evaluation;
};
Comparable load_comparable(const std::filesystem::path& path);

enum class Verdict { kPass, kRegression, kInformation };
inline std::vector<core::EnumName<Verdict>> enum_names(Verdict) {
  return {{Verdict::kPass, "pass"}, {Verdict::kRegression, "regression"},
      {Verdict::kInformation, "information"}};
}

// One line of the comparison. worse_by, at_least and limit are in the quantity's unit.
struct Check {
  std::string name;  // "loss", "accuracy", "choice accuracy", "time", "memory", "cut", "status"
  std::string unit;  // "nats", "", "s", "bytes", "blocks"
  double base = 0.0, new_value = 0.0;
  double worse_by = 0.0;
  std::optional<double> standard_error;
  std::optional<double>
      at_least;  // lower end of worse_by's one-sided 95 % interval: above 0, it is no noise
  std::optional<double> limit;  // none: shown for information only
  Verdict verdict = Verdict::kInformation;
  std::string note;  // "paired over 43 documents"

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("name", self.name);
    visit("unit", self.unit);
    visit("base", self.base);
    visit("new", self.new_value);
    visit("worse_by", self.worse_by);
    visit("standard_error", self.standard_error);
    visit("at_least", self.at_least);
    visit("limit", self.limit);
    visit("verdict", self.verdict);
    visit("note", self.note);
  }
};

struct Comparison {
  static constexpr const char* kSchema = "salf.comparison/1";

  std::string base, new_path;
  bool regression = false;
  std::vector<Check> checks;
  std::vector<std::string> notes;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("base", self.base);
    visit("new", self.new_path);
    visit("regression", self.regression);
    visit("checks", self.checks);
    visit("notes", self.notes);
  }
};

// Problems of the texts, one message each ("--max-time-increase: expected …").
std::vector<std::string> limit_problems(const LimitTexts& limits);

// Without any limit the loss may not increase (limit 0). Throws Error(kBadInput) if BASE and NEW
// are of different kinds or data, or do not record what a limit is on.
Comparison compare(const Comparable& base, const Comparable& new_one, const LimitTexts& limits);

// JUnit XML: a test case per limit, a failure per regression.
std::string junit_xml(const Comparison& comparison);

}  // namespace salf::report
