// salf inspect: what is this model, and where can it be cut?
#pragma once

#include <string>
#include <vector>

#include "app/session/model_options.h"
#include "commands/common_options.h"
#include "core/progress.h"
#include "types/model_shape.h"

namespace salf::tools {

struct InspectOptions {
  CommonOptions common;
  app::ModelOptions model;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    CommonOptions::fields(self.common, visit);
    app::ModelOptions::fields(self.model, visit);
  }
};

// What inspect found; printed as JSON by --json.
struct Inspection {
  std::string architecture;
  std::string container;
  std::string embedding;
  std::string head;
  bool plain_head = false;
  std::int64_t context = 0;
  std::int64_t tokenizer_ids = 0;  // 0: no tokenizer
  std::vector<std::int64_t> cuts;  // eof-layers at which prefix and suffix equal the whole model
  double largest_difference =
      0.0;  // of the logits, over these cuts, as a share of the largest logit
  std::vector<std::string> warnings;
  types::ModelShape shape;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"architecture"}, self.architecture);
    visit(Field{"container"}, self.container);
    visit(Field{"embedding"}, self.embedding);
    visit(Field{"head"}, self.head);
    visit(Field{"plain_head"}, self.plain_head);
    visit(Field{"context"}, self.context);
    visit(Field{"tokenizer_ids"}, self.tokenizer_ids);
    visit(Field{"cuts"}, self.cuts);
    visit(Field{"largest_difference"}, self.largest_difference);
    visit(Field{"warnings"}, self.warnings);
    visit(Field{"shape"}, self.shape);
  }
};

int inspect_command(const InspectOptions& options, core::Progress& progress);

}  // namespace salf::tools
