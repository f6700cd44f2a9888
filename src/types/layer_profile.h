// profile.json, the result of the calibration pass: deviations, gains, their errors and bootstrap
// replicates.
#pragma once

#include <algorithm>
#include <array>

#include "types/model_shape.h"

namespace salf::types {

// How far a hidden state is from its label (design: "deviation").
enum class Measure { kCosine, kLoss };
inline std::vector<core::EnumName<Measure>> enum_names(Measure) {
  return {{Measure::kCosine, "cosine"}, {Measure::kLoss, "loss"}};
}

// How the cut is chosen (design: "rules").
enum class Rule { kMaxGain, kMinDeviation, kThreshold, kFixed, kFraction, kBudget, kPredicted };
inline std::vector<core::EnumName<Rule>> enum_names(Rule) {
  return {{Rule::kMaxGain, "max-gain"}, {Rule::kMinDeviation, "min-deviation"},
      {Rule::kThreshold, "threshold"}, {Rule::kFixed, "fixed"}, {Rule::kFraction, "fraction"},
      {Rule::kBudget, "budget"}, {Rule::kPredicted, "predicted"}};
}

// The rules that read the profile alone.
inline constexpr std::array<Rule, 3> kProfileRules = {
    Rule::kMaxGain, Rule::kMinDeviation, Rule::kThreshold};
inline bool reads_profile(Rule rule) {
  return std::find(kProfileRules.begin(), kProfileRules.end(), rule) != kProfileRules.end();
}
// The rules whose choice needs neither measurements nor prices.
inline bool is_settled(Rule rule) { return rule == Rule::kFixed || rule == Rule::kFraction; }

// A rule's choice and its stability: the share of bootstrap replicates with the same choice, and
// the range of 90 % of them. This is sampling stability, not the probability of the best cut.
// Without replicates: stability 0, range 0 … L-1.
struct RuleChoice {
  Rule rule = Rule::kMaxGain;
  Measure measure = Measure::kCosine;
  std::int64_t cut = 0;
  double stability = 0.0;
  std::int64_t low = 0, high = 0;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("rule", self.rule);
    visit("measure", self.measure);
    visit(Field{"eof"}.range(0, 1e5), self.cut);
    visit(Field{"stability"}.range(0, 1), self.stability);
    visit(Field{"low"}.range(0, 1e5), self.low);
    visit(Field{"high"}.range(0, 1e5), self.high);
  }
};

// The choice of this rule by this measure, or nullptr.
inline const RuleChoice* find_choice(
    const std::vector<RuleChoice>& choices, Rule rule, Measure measure) {
  const auto found = std::find_if(choices.begin(), choices.end(),
      [&](const RuleChoice& choice) { return choice.rule == rule && choice.measure == measure; });
  return found == choices.end() ? nullptr : &*found;
}

// One measure over all spaces. Arrays over spaces have L+1 entries (h_0 … h_L), arrays over blocks
// L: gain[i] belongs to block i (0-based) and equals deviation[i] − deviation[i+1].
struct Deviation {
  Measure measure = Measure::kCosine;
  std::int64_t documents = 0;
  std::int64_t positions = 0;
  std::vector<double> deviation;
  std::vector<double> standard_error;  // clustered by document
  std::vector<double> gain;
  std::vector<double> gain_error;               // of the per-document differences
  std::vector<std::vector<double>> replicates;  // [bootstrap replicate][space]

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("measure", self.measure);
    visit(Field{"documents"}.range(0, 1e12), self.documents);
    visit(Field{"positions"}.range(0, 1e15), self.positions);
    visit("deviation", self.deviation);
    visit(Field{"standard_error"}.range(0, 1e300), self.standard_error);
    visit("gain", self.gain);
    visit(Field{"gain_error"}.range(0, 1e300), self.gain_error);
    visit("replicates", self.replicates);
  }
};

// d(l) = c + a·(l+1)^−b over the spaces of one measure; no profile of this version has one.
struct ScalingLaw {
  Measure measure = Measure::kCosine;
  bool found = false;  // false: the curve follows no such law; a, b, c are the best that was tried
  double a = 0.0, b = 0.0, c = 0.0;
  double b_low = 0.0, b_high = 0.0;  // 90 % of the bootstrap replicates; 0, 0 without any
  double r_squared = 0.0;
  std::vector<double>
      share;  // L+1: part of the fitted reduction made by each space; 0 where not found

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("measure", self.measure);
    visit("found", self.found);
    visit("a", self.a);
    visit("b", self.b);
    visit("c", self.c);
    visit("b_low", self.b_low);
    visit("b_high", self.b_high);
    visit("r_squared", self.r_squared);
    visit("share", self.share);
  }
};

// One document for people to look at: the deviation of each space at each position, and the nearest
// word there. Arrays [space][position], space 0 … L.
struct TokenMap {
  std::int64_t line = 0;                          // of the data file, 1-based
  std::vector<std::string> tokens;                // text of the token read at each position
  std::vector<std::string> labels;                // text of the word to predict; "" without loss
  std::vector<std::vector<double>> deviation;     // cosine; -1 where the position has no label
  std::vector<std::vector<std::string>> nearest;  // the nearest word (calibration/deviation.h)

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"line"}.range(0, 1e15), self.line);
    visit("tokens", self.tokens);
    visit("labels", self.labels);
    visit("deviation", self.deviation);
    visit("nearest", self.nearest);
  }
};

// The inputs of a document, so that a later step can compare them.
struct Provenance {
  std::string model;       // path as given
  std::string model_hash;  // SHA-256 of model.pt
  std::string data;
  std::string data_hash;
  std::string tokenizer_hash;
  std::string salf_version;
  std::string torch_version;
  std::string machine;  // processor or GPU name
  std::int64_t threads = 0;
  std::string dtype;  // of hidden states and products: "f32" or "bf16"; "": f32 (older files)
  std::string dtype_reason;  // one sentence
  std::string created;       // UTC

  bool same_dtype(const Provenance& other) const {
    return (dtype.empty() ? "f32" : dtype) == (other.dtype.empty() ? "f32" : other.dtype);
  }

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("model", self.model);
    visit("model_hash", self.model_hash);
    visit("data", self.data);
    visit("data_hash", self.data_hash);
    visit("tokenizer_hash", self.tokenizer_hash);
    visit("salf_version", self.salf_version);
    visit("torch_version", self.torch_version);
    visit("machine", self.machine);
    visit(Field{"threads"}.range(0, 1e6), self.threads);
    visit("dtype", self.dtype);
    visit("dtype_reason", self.dtype_reason);
    visit("created", self.created);
  }
};

// The measure at positions whose label is a word of the domain (analyze --basis-vocabulary), and
// the rules' choices with and without it. LayerProfile::deviations are over all positions.
struct DomainVocabulary {
  std::string source;                // "data", or the file as given
  std::string reference;             // of "data": what stood for general text; "" for a file
  std::int64_t tokens = 0;           // of the model's vocabulary that belong to the domain
  std::int64_t words = 0;            // that the file named (ids among them); 0 for "data"
  std::int64_t split_words = 0;      // of several tokens each
  std::int64_t unknown_words = 0;    // without a token, and so left out
  std::vector<std::string> unknown;  // the first of them
  std::vector<std::string>
      examples;  // texts of tokens: the most over-represented, or the file's first
  std::vector<Deviation>
      deviations;  // cosine first; the loss where enough of its positions were drawn
  std::vector<RuleChoice> choices_with, choices_without;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("source", self.source);
    visit("reference", self.reference);
    visit(Field{"tokens"}.range(1, 1e9), self.tokens);
    visit(Field{"words"}.range(0, 1e9), self.words);
    visit(Field{"split_words"}.range(0, 1e9), self.split_words);
    visit(Field{"unknown_words"}.range(0, 1e9), self.unknown_words);
    visit("unknown", self.unknown);
    visit("examples", self.examples);
    visit("deviations", self.deviations);
    visit("choices_with", self.choices_with);
    visit("choices_without", self.choices_without);
  }
};

// The documents whose field "domain" has this text, at all their measured positions.
struct DomainMeasure {
  std::string name;
  Deviation deviation;  // cosine; the replicates are left out, the choices were made with them
  std::vector<RuleChoice> choices;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("name", self.name);
    visit("deviation", self.deviation);
    visit("choices", self.choices);
  }
};

// Whether one cut lies within the range of every domain under a rule. The ranges together hold 90 %
// (Bonferroni). `low` is the largest lower end, `high` the smallest upper end.
struct DomainAgreement {
  Rule rule = Rule::kMaxGain;
  bool serves_all = false;  // low ≤ high
  std::int64_t low = 0, high = 0;
  std::int64_t cut = 0;  // the cut nearest to all documents' choice that serves all; else the
                         // shallowest domain's choice
  std::string shallowest, deepest;  // the domains that `high` and `low` come from

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("rule", self.rule);
    visit("serves_all", self.serves_all);
    visit(Field{"low"}.range(0, 1e5), self.low);
    visit(Field{"high"}.range(0, 1e5), self.high);
    visit(Field{"eof"}.range(0, 1e5), self.cut);
    visit("shallowest", self.shallowest);
    visit("deepest", self.deepest);
  }
};

struct DomainTable {
  std::vector<DomainMeasure> domains;  // the largest first
  std::int64_t others =
      0;  // domains that were not measured: too few documents, or too many domains
  std::int64_t unnamed_documents = 0;       // measured documents whose row names no domain
  std::vector<DomainAgreement> agreements;  // one a rule; none with fewer than two domains

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("domains", self.domains);
    visit(Field{"others"}.range(0, 1e12), self.others);
    visit(Field{"unnamed_documents"}.range(0, 1e12), self.unnamed_documents);
    visit("agreements", self.agreements);
  }
};

// The untuned model's loss, nats a token, at all supervised positions of the measured documents.
struct LossBefore {
  double loss = 0.0;
  double standard_error = 0.0;  // clustered by document
  std::int64_t documents = 0;
  std::int64_t positions = 0;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"loss"}.range(0, 1e6), self.loss);
    visit(Field{"standard_error"}.range(0, 1e6), self.standard_error);
    visit(Field{"documents"}.range(0, 1e12), self.documents);
    visit(Field{"positions"}.range(0, 1e15), self.positions);
  }
};

struct LayerProfile {
  static constexpr const char* kSchema = "salf.profile/1";
  static constexpr const char* kRetired[] = {"gradient_sketch"};

  Provenance provenance;
  ModelShape shape;
  std::string positions = "supervised";  // or "last"
  std::string norm = "final";            // N: "final" or "none"
  std::int64_t tokens = 0;               // real tokens that went through the model
  double basis_ridge = 0.0;              // λ of the semantic basis
  double seconds = 0.0;                  // of the calibration pass, loading not counted
  double forward_seconds = 0.0;          // of it, the model's own forward pass
  std::uint64_t seed = 0;
  // How far the max-gain choice by the first measure had settled when no more documents were drawn
  // (RuleChoice::stability), and what was asked for; both 0 in older profiles.
  double stability = 0.0;
  double stability_goal = 0.0;
  std::optional<LossBefore> loss_before;  // not in older profiles, nor where no error can be told
  std::vector<Deviation> deviations;      // cosine first
  std::vector<ScalingLaw> scaling_laws;   // one a measure
  std::vector<TokenMap> token_maps;       // of a few documents, with their text
  std::optional<DomainVocabulary> vocabulary;  // where one was asked for
  std::optional<DomainTable> domains;          // where rows name their domain

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("provenance", self.provenance);
    visit("shape", self.shape);
    visit("positions", self.positions);
    visit("norm", self.norm);
    visit(Field{"tokens"}.range(0, 1e15), self.tokens);
    visit(Field{"basis_ridge"}.range(0, 1e300), self.basis_ridge);
    visit(Field{"seconds"}.range(0, 1e300), self.seconds);
    visit(Field{"forward_seconds"}.range(0, 1e300), self.forward_seconds);
    visit("seed", self.seed);
    visit(Field{"stability"}.range(0, 1), self.stability);
    visit(Field{"stability_goal"}.range(0, 1), self.stability_goal);
    visit("loss_before", self.loss_before);
    visit("deviations", self.deviations);
    visit("scaling_laws", self.scaling_laws);
    visit("token_maps", self.token_maps);
    visit("vocabulary", self.vocabulary);
    visit("domains", self.domains);
  }
};

}  // namespace salf::types
