// What did the calibration pass see? profile.json: deviations of every space with their errors,
// gains of every block, and bootstrap replicates from which policy tells how stable a choice is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "salf/core/fields.h"
#include "salf/types/gradient_sketch.h"
#include "salf/types/model_shape.h"

namespace salf::types {

// How far a hidden state is from its label (design: "deviation").
enum class Measure { kCosine, kLoss };
inline std::vector<core::EnumName<Measure>> enum_names(Measure) {
  return {{Measure::kCosine, "cosine"}, {Measure::kLoss, "loss"}};
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

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"measure"}, self.measure);
    visit(Field{"documents"}.range(0, 1e12), self.documents);
    visit(Field{"positions"}.range(0, 1e15), self.positions);
    visit(Field{"deviation"}, self.deviation);
    visit(Field{"standard_error"}.range(0, 1e300), self.standard_error);
    visit(Field{"gain"}, self.gain);
    visit(Field{"gain_error"}.range(0, 1e300), self.gain_error);
    visit(Field{"replicates"}, self.replicates);
  }
};

// d(l) = c + a·(l+1)^−b over the spaces of one measure (policy/scaling_law.h).
struct ScalingLaw {
  Measure measure = Measure::kCosine;
  bool found = false;  // false: the curve follows no such law; a, b, c are the best that was tried
  double a = 0.0, b = 0.0, c = 0.0;
  double b_low = 0.0, b_high = 0.0;  // 90 % of the bootstrap replicates; 0, 0 without any
  double r_squared = 0.0;
  std::vector<double>
      share;  // L+1: part of the fitted reduction made by each space; 0 where not found

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"measure"}, self.measure);
    visit(Field{"found"}, self.found);
    visit(Field{"a"}, self.a);
    visit(Field{"b"}, self.b);
    visit(Field{"c"}, self.c);
    visit(Field{"b_low"}, self.b_low);
    visit(Field{"b_high"}, self.b_high);
    visit(Field{"r_squared"}, self.r_squared);
    visit(Field{"share"}, self.share);
  }
};

// One document as the model saw it, for people to look at: how far each space is from the label of each
// position, and which word's basis is nearest there. Arrays [space][position], space 0 … L.
struct TokenMap {
  std::int64_t line = 0;                          // of the data file, 1-based
  std::vector<std::string> tokens;                // text of the token read at each position
  std::vector<std::string> labels;                // text of the word to predict; "" without loss
  std::vector<std::vector<double>> deviation;     // cosine; -1 where the position has no label
  std::vector<std::vector<std::string>> nearest;  // the nearest word (calibration/deviation.h)

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"line"}.range(0, 1e15), self.line);
    visit(Field{"tokens"}, self.tokens);
    visit(Field{"labels"}, self.labels);
    visit(Field{"deviation"}, self.deviation);
    visit(Field{"nearest"}, self.nearest);
  }
};

// What was read, so that a later step can tell whether it is the same.
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
  std::string created;  // UTC

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"model"}, self.model);
    visit(Field{"model_hash"}, self.model_hash);
    visit(Field{"data"}, self.data);
    visit(Field{"data_hash"}, self.data_hash);
    visit(Field{"tokenizer_hash"}, self.tokenizer_hash);
    visit(Field{"salf_version"}, self.salf_version);
    visit(Field{"torch_version"}, self.torch_version);
    visit(Field{"machine"}, self.machine);
    visit(Field{"threads"}.range(0, 1e6), self.threads);
    visit(Field{"created"}, self.created);
  }
};

struct LayerProfile {
  static constexpr const char* kSchema = "salf.profile/1";

  Provenance provenance;
  ModelShape shape;
  std::string positions = "supervised";  // or "last"
  std::string norm = "final";            // N: "final" or "none"
  std::int64_t tokens = 0;               // real tokens that went through the model
  double basis_ridge = 0.0;              // λ of the semantic basis
  double seconds = 0.0;                  // of the calibration pass, loading not counted
  double forward_seconds = 0.0;          // of it, the model's own forward pass
  std::uint64_t seed = 0;
  // How far the max-gain choice by the first measure had settled when no more documents were drawn (RuleChoice::stability),
  // and what was asked for; both 0 in older profiles.
  double stability = 0.0;
  double stability_goal = 0.0;
  std::vector<Deviation> deviations;     // cosine first
  std::vector<ScalingLaw> scaling_laws;  // one a measure
  std::vector<TokenMap> token_maps;      // of a few documents, with their text
  std::optional<GradientSketch> gradient_sketch;  // where it was asked for

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"provenance"}, self.provenance);
    visit(Field{"shape"}, self.shape);
    visit(Field{"positions"}, self.positions);
    visit(Field{"norm"}, self.norm);
    visit(Field{"tokens"}.range(0, 1e15), self.tokens);
    visit(Field{"basis_ridge"}.range(0, 1e300), self.basis_ridge);
    visit(Field{"seconds"}.range(0, 1e300), self.seconds);
    visit(Field{"forward_seconds"}.range(0, 1e300), self.forward_seconds);
    visit(Field{"seed"}, self.seed);
    visit(Field{"stability"}.range(0, 1), self.stability);
    visit(Field{"stability_goal"}.range(0, 1), self.stability_goal);
    visit(Field{"deviations"}, self.deviations);
    visit(Field{"scaling_laws"}, self.scaling_laws);
    visit(Field{"token_maps"}, self.token_maps);
    visit(Field{"gradient_sketch"}, self.gradient_sketch);
  }
};

}  // namespace salf::types
