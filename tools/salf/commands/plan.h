// salf plan: chooses the cut that a budget pays for, and prices it.
#pragma once

#include <string>
#include <vector>

#include "app/planning/planning_options.h"
#include "app/session/lora_options.h"
#include "app/session/model_options.h"
#include "commands/common_options.h"
#include "core/progress.h"
#include "data/batching/batching.h"
#include "data/rows/dataset.h"

namespace salf::tools {

struct PlanOptions {
  CommonOptions common;
  app::ModelOptions model;
  data::DataOptions data;
  data::BatchOptions batch;
  app::PlanningOptions planning;
  app::LoraOptions lora;
  std::string profile;
  std::string output = "plan.json";

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    CommonOptions::fields(self.common, visit);
    app::ModelOptions::fields(self.model, visit);
    data::DataOptions::fields(self.data, visit);
    data::BatchOptions::fields(self.batch, visit);
    app::PlanningOptions::fields(self.planning, visit);
    app::LoraOptions::fields(self.lora, visit);
    core::begin_group(visit, "Plan");
    visit(Field{"profile",
              "profile.json of salf analyze; \"\": the model and data that it names are used"}
              .common(),
        self.profile);
    visit(Field{"output", "file to write the plan to"}.common(), self.output);
  }

  std::vector<std::string> problems() const;
};

// Model and data default to those that the profile names. Writes plan.json also when the budget is
// too small (with the smallest that works) and returns 6 then.
int plan_command(const PlanOptions& options, core::Progress& progress);

}  // namespace salf::tools
