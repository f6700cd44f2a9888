// salf trial: trains a few arms for some steps. Plans can rest their predictions on it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/session/lora_options.h"
#include "app/session/model_options.h"
#include "commands/common_options.h"
#include "core/progress.h"
#include "data/batching/batching.h"
#include "data/rows/dataset.h"
#include "train/run/train_options.h"

namespace salf::tools {

struct TrialOptions {
  CommonOptions common;
  app::ModelOptions model;
  data::DataOptions data;
  data::BatchOptions batch;
  train::TrainOptions train;
  std::vector<std::string> arms{"full", "cut:8", "cut:16"};
  std::vector<double> rates;  // empty: the rule's rate alone
  std::int64_t steps = 24;
  std::int64_t dev_documents = 128;
  std::string lora = app::kUsualLora;
  std::string output = "trials.json";

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    CommonOptions::fields(self.common, visit);
    app::ModelOptions::fields(self.model, visit);
    data::DataOptions::fields(self.data, visit);
    data::BatchOptions::fields(self.batch, visit);
    train::TrainOptions::fields(self.train, visit);
    core::begin_group(visit, "Trials");
    visit(Field{"arms", "full, half, cut:N (N frozen blocks), last:N or lora:N; once for each arm"}
              .common(),
        self.arms);
    visit(Field{"rates",
              "times the rule's learning rate, tried for each arm beside it; a plan takes one "
              "that is clearly better"}
              .common()
              .range(1e-3, 1e3),
        self.rates);
    visit(Field{"steps", "of each arm, on the same batches; the last fifth is its cooldown"}
              .common()
              .range(2, 1e6),
        self.steps);
    visit(Field{"dev_documents", "dev documents that the arms are compared on"}.range(2, 1e9),
        self.dev_documents);
    visit(Field{"lora", "what the arms lora:N add: r=16,alpha=32,targets=all-linear"}.common(),
        self.lora);
    visit(Field{"output", "file to write the trials to"}.common(), self.output);
  }

  std::vector<std::string> problems() const;
};

// Returns 0, or 128 + n after signal n (nothing is written then). Throws Error.
int trial_command(const TrialOptions& options, core::Progress& progress);

}  // namespace salf::tools
