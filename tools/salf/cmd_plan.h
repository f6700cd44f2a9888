// salf plan: which cut does this budget pay for, and what will it cost?
#pragma once

#include <string>
#include <vector>

#include "common_options.h"
#include "core/progress.h"
#include "data/batching/batching.h"
#include "data/rows/dataset.h"
#include "planning.h"

namespace salf::tools {

struct PlanOptions {
  CommonOptions common;
  ModelOptions model;
  data::DataOptions data;
  data::BatchOptions batch;
  PlanningOptions planning;
  LoraOptions lora;
  std::string profile;
  std::string output = "plan.json";

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    CommonOptions::fields(self.common, visit);
    ModelOptions::fields(self.model, visit);
    data::DataOptions::fields(self.data, visit);
    data::BatchOptions::fields(self.batch, visit);
    PlanningOptions::fields(self.planning, visit);
    LoraOptions::fields(self.lora, visit);
    visit(Field{"profile",
              "profile.json of salf analyze; \"\": the model and data that it names are used"},
        self.profile);
    visit(Field{"output", "file to write the plan to"}, self.output);
  }

  std::vector<std::string> problems() const;
};

// Model and data default to those that the profile names. Writes plan.json also when the budget is
// too small (with the smallest that works) and returns 6 then.
int plan_command(const PlanOptions& options, core::Progress& progress);

}  // namespace salf::tools
