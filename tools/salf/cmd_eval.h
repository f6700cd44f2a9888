// salf eval: how good is this model on these data?
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common_options.h"
#include "salf/core/progress.h"
#include "salf/data/batching.h"
#include "salf/data/dataset.h"
#include "salf/train/evaluate.h"
#include "salf/types/layer_profile.h"

namespace salf::tools {

struct EvalOptions {
  CommonOptions common;
  ModelOptions model;
  data::DataOptions data;
  data::BatchOptions batch;
  data::Split split = data::Split::kAll;
  std::int64_t documents = 0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    CommonOptions::fields(self.common, visit);
    ModelOptions::fields(self.model, visit);
    data::DataOptions::fields(self.data, visit);
    data::BatchOptions::fields(self.batch, visit);
    visit(Field{"split", "documents to score: all, train, dev or test"}, self.split);
    visit(Field{"documents", "score a seeded sample of so many; 0: all"}.range(0, 1e12), self.documents);
  }

  std::vector<std::string> problems() const;
};

// What --json prints.
struct EvalResult {
  static constexpr const char* kSchema = "salf.eval/1";

  types::Provenance provenance;
  std::string split;
  train::Evaluation tokens;
  std::optional<train::ChoiceEvaluation> choices;  // where rows have options and an answer

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"provenance"}, self.provenance);
    visit(Field{"split"}, self.split);
    visit(Field{"tokens"}, self.tokens);
    visit(Field{"choices"}, self.choices);
  }
};

// Returns 0, or 128 + n after signal n (nothing is printed then). Throws Error.
int eval_command(const EvalOptions& options, core::Progress& progress);

}  // namespace salf::tools
