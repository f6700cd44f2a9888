// salf data preview: shows rows as tokens and marks those that carry loss.
#pragma once

#include <vector>

#include "commands/common_options.h"
#include "core/progress.h"
#include "data/rows/dataset.h"

namespace salf::tools {

struct PreviewOptions {
  CommonOptions common;
  std::string model;      // model directory, run directory, archive or tokenizer.json
  std::string tokenizer;  // "": the one beside the model
  data::DataOptions data;
  std::int64_t rows = 5;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    CommonOptions::fields(self.common, visit);
    visit(Field{"model", "model directory, run directory, archive or tokenizer.json"}.common(),
        self.model);
    visit(Field{"tokenizer", "tokenizer.json to use instead of the model's own"}, self.tokenizer);
    data::DataOptions::fields(self.data, visit);
    core::begin_group(visit, "Preview");
    visit(Field{"rows", "rows to show; the counts are those of the whole file"}.common().range(
              0, 1e6),
        self.rows);
  }

  std::vector<std::string> problems() const;
};

// Returns 0. Throws Error.
int run(const PreviewOptions& options, core::Progress& progress);

}  // namespace salf::tools
