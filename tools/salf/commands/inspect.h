// salf inspect: what a model is and where it can be cut.
#pragma once

#include "app/session/model_options.h"
#include "commands/common_options.h"
#include "core/progress.h"

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

int inspect_command(const InspectOptions& options, core::Progress& progress);

}  // namespace salf::tools
