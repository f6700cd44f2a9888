// salf eval: measures a model on data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/session/model_options.h"
#include "commands/common_options.h"
#include "core/progress.h"
#include "data/batching/batching.h"
#include "data/rows/dataset.h"

namespace salf::tools {

struct EvalOptions {
  CommonOptions common;
  app::ModelOptions model;
  data::DataOptions data;
  data::BatchOptions batch;
  data::Split split = data::Split::kAll;
  std::int64_t documents = 0;
  std::string output;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    CommonOptions::fields(self.common, visit);
    app::ModelOptions::fields(self.model, visit);
    data::DataOptions::fields(self.data, visit);
    data::BatchOptions::fields(self.batch, visit);
    core::begin_group(visit, "Evaluation");
    visit(Field{"split", "documents to score: all, train, dev or test"}.common(), self.split);
    visit(Field{"documents", "score a seeded sample of so many; 0: all"}.common().range(0, 1e12),
        self.documents);
    visit(Field{"output",
              "file to write the result to, each document's loss included, for salf compare"}
              .common(),
        self.output);
  }

  std::vector<std::string> problems() const;
};

// Writes the result to --output where one is given. Returns 0, or 128 + n after signal n (nothing
// is printed then). Throws Error.
int eval_command(const EvalOptions& options, core::Progress& progress);

}  // namespace salf::tools
