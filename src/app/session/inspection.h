// What a model is and where it can be cut.
#pragma once

#include "app/session/session.h"
#include "core/fields.h"
#include "core/progress.h"
#include "types/model_shape.h"

namespace salf::app {

struct Inspection {
  std::string architecture;
  std::string container;
  std::string embedding;
  std::string head;
  bool plain_head = false;
  std::int64_t context = 0;
  std::int64_t tokenizer_ids = 0;   // 0: no tokenizer
  std::vector<std::int64_t> cuts;   // where prefix and suffix equal the whole model
  double largest_difference = 0.0;  // of the logits at these cuts, as a share of the largest logit
  std::vector<std::string> warnings;
  types::ModelShape shape;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
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

// Proves every cut of the session's model. A cut that fails becomes a warning.
Inspection inspect(const Session& session, core::Progress& progress);

}  // namespace salf::app
