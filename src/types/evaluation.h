// Results on held-out rows: the document of salf eval, and losses per document for paired
// comparison.
#pragma once

#include <filesystem>

#include "types/layer_profile.h"

namespace salf::types {

// A figure with its 95 % interval; low and high are NaN (null) if it is unknown.
struct Figure {
  double value = 0.0;
  double low = 0.0;
  double high = 0.0;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("value", self.value);
    visit("low", self.low);
    visit("high", self.high);
  }
};

// Intervals are mean ± 1.96 standard errors, clustered by document; perplexity's are those of the
// loss, exponentiated.
struct Evaluation {
  std::int64_t documents = 0;
  std::int64_t tokens = 0;  // real tokens read
  std::int64_t supervised_tokens = 0;
  Figure loss;                  // nats per supervised token
  double standard_error = 0.0;  // of the loss; NaN with fewer than two documents
  Figure perplexity;
  Figure accuracy;  // share of supervised tokens that were the model's first guess
  double seconds = 0.0;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("documents", self.documents);
    visit("tokens", self.tokens);
    visit("supervised_tokens", self.supervised_tokens);
    visit("loss", self.loss);
    visit("standard_error", self.standard_error);
    visit("perplexity", self.perplexity);
    visit("accuracy", self.accuracy);
    visit("seconds", self.seconds);
  }
};

struct ChoiceEvaluation {
  std::int64_t rows = 0;
  std::int64_t correct = 0;
  Figure accuracy;  // Wilson's interval (Wilson 1927) over rows
  double seconds = 0.0;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("rows", self.rows);
    visit("correct", self.correct);
    visit("accuracy", self.accuracy);
    visit("seconds", self.seconds);
  }
};

// Answers that the model wrote to held-out rows, against the rows' own. Intervals are Wilson's
// over rows; that of F1 is mean ± 1.96 standard errors.
struct AnswerScores {
  std::int64_t rows = 0;         // answered
  std::int64_t available = 0;    // rows that could have been answered
  std::int64_t tokens = 0;       // of an answer at most
  std::int64_t cut = 0;          // answers that were ended by this limit
  Figure exact_match;            // share, by SQuAD's normalisation
  Figure f1;                     // mean over rows, of the words that both have
  std::int64_t number_rows = 0;  // whose reference has a final number
  std::optional<Figure> number;  // share of them whose answer has the same one
  double seconds = 0.0;          // that answering took

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("rows", self.rows);
    visit("available", self.available);
    visit("tokens", self.tokens);
    visit("cut", self.cut);
    visit("exact_match", self.exact_match);
    visit("f1", self.f1);
    visit("number_rows", self.number_rows);
    visit("number", self.number);
    visit("seconds", self.seconds);
  }
};

// An answer and its scores.
struct ScoredAnswer {
  std::string prompt;          // the row up to its last answer
  std::string reference;       // the row's answer
  std::string answer;          // what the model wrote
  bool exact_match = false;    // equal by SQuAD's normalisation
  double f1 = 0.0;             // of the words that both have
  std::optional<bool> number;  // the same final number; nothing where the reference has none

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("prompt", self.prompt);
    visit("reference", self.reference);
    visit("answer", self.answer);
    visit("exact_match", self.exact_match);
    visit(Field{"f1"}.range(0, 1), self.f1);
    visit("number", self.number);
  }
};

// Arrays with one entry per document. A document's name is the first 16 hex digits of the SHA-256
// of its tokens and labels, so only equal tokens are paired.
struct DocumentLosses {
  // The most documents of a result; of more, none is kept.
  static constexpr std::int64_t kMost = 100000;

  std::vector<std::string> documents;
  std::vector<double> loss;     // summed over its supervised tokens, nats
  std::vector<double> correct;  // supervised tokens with the right first guess
  std::vector<double> tokens;   // supervised tokens

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("documents", self.documents);
    visit(Field{"loss"}.range(0, 1e12), self.loss);
    visit(Field{"correct"}.range(0, 1e12), self.correct);
    visit(Field{"tokens"}.range(0, 1e12), self.tokens);
  }
};

// eval.json: what salf eval writes and prints as JSON.
struct EvaluationRecord {
  static constexpr const char* kSchema = "salf.eval/1";

  Provenance provenance;
  std::string split;
  Evaluation tokens;
  std::optional<ChoiceEvaluation> choices;  // where rows have options and an answer
  std::optional<DocumentLosses> losses;     // nothing for more than DocumentLosses::kMost documents
  std::optional<AnswerScores> generation;   // of salf eval --generate
  std::vector<ScoredAnswer> answers;        // that its scores rest on

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("provenance", self.provenance);
    visit("split", self.split);
    visit("tokens", self.tokens);
    visit("choices", self.choices);
    visit("losses", self.losses);
    visit("generation", self.generation);
    visit("answers", self.answers);
  }
};

// dev_losses.json beside run.json: the dev documents' losses at the first evaluation and at that of
// the kept weights.
struct DevLosses {
  static constexpr const char* kSchema = "salf.dev-losses/1";

  std::int64_t before_step = 0;
  std::int64_t best_step = 0;
  std::optional<DocumentLosses> before;
  std::optional<DocumentLosses> best;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"before_step"}.range(0, 1e15), self.before_step);
    visit(Field{"best_step"}.range(0, 1e15), self.best_step);
    visit("before", self.before);
    visit("best", self.best);
  }
};

// Each throws Error(kBadInput) at the first problem, as in validate.h: arrays have one length, no
// document stands twice, correct tokens are at most tokens.
void check(const DocumentLosses& losses, const std::string& where);
void check(const EvaluationRecord& record, const std::string& where);
void check(const DevLosses& losses, const std::string& where);

// core::read_document and check. Throw Error(kIo) or Error(kBadInput).
EvaluationRecord read_evaluation(const std::filesystem::path& path);
DevLosses read_dev_losses(const std::filesystem::path& path);

// Mean loss and accuracy over the documents, with intervals clustered by document (statistics.h).
struct LossSummary {
  Figure loss;
  double loss_error = 0.0;  // standard error; NaN with fewer than two documents
  Figure accuracy;
  double accuracy_error = 0.0;
};
LossSummary summarize(const DocumentLosses& losses);

}  // namespace salf::types
