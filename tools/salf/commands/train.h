// salf train: analyzes, plans and tunes within a budget; resumes and replays runs.
#pragma once

#include "app/training/training.h"
#include "commands/common_options.h"

namespace salf::tools {

// The rest of the request follows from these.
struct TrainCommandOptions : app::TrainingRequest {
  CommonOptions common;
  std::string resume;       // a run directory; everything else comes from its run.json
  std::string replay;       // a run.json; everything but --output comes from it
  std::string tensorboard;  // folder of event files
  std::optional<std::int64_t> metrics_port;  // of Prometheus' text on 127.0.0.1
  std::string output = "run";

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    CommonOptions::fields(self.common, visit);
    app::ModelOptions::fields(self.model, visit);
    app::FrozenOptions::fields(self.frozen, visit);
    data::DataOptions::fields(self.data, visit);
    data::BatchOptions::fields(self.batch, visit);
    calibration::CalibrationOptions::fields(self.calibration, visit);
    app::PlanningOptions::fields(self.planning, visit);
    app::LoraOptions::fields(self.lora, visit);
    train::TrainOptions::fields(self.train, visit);
    core::begin_group(visit, "Run");
    visit(Field{"profile", "profile.json to use instead of analyzing"}, self.profile);
    visit(
        Field{"plan", "plan.json to follow instead of analyzing and planning"}.common(), self.plan);
    visit(Field{"resume", "run directory to go on with; all options come from it"}.common(),
        self.resume);
    visit(
        Field{"replay", "run.json to repeat byte for byte; all options but --output come from it"},
        self.replay);
    visit(Field{"gate",
              "a limit that the run must keep, else it ends with the last good weights and exit "
              "code 1: dev_loss<=1.6, "
              "loss_increase<=-0.2, dev_accuracy>=55%, seconds<=2h, peak_memory<=4GiB; end: in "
              "front: at the end alone"}
              .common(),
        self.gates);
    visit(Field{"pilot",
              "run everything on this share of the documents and of the budget, such as 5%, and "
              "tell what the whole would take"},
        self.pilot);
    visit(Field{"tensorboard", "folder to write TensorBoard's event files to"}, self.tensorboard);
    visit(Field{"metrics_port",
              "serve Prometheus' text on http://127.0.0.1:N/metrics while it runs; 0: a free port"}
              .range(0, 65535),
        self.metrics_port);
    visit(Field{"output",
              "run directory: the tuned model, with LoRA also adapter/, run.json, metrics.jsonl, "
              "profile.json, plan.json"}
              .common(),
        self.output);
  }

  std::vector<std::string> problems() const;
};

// Returns 0, 1 when a gate failed (the model is saved), or 128 + n when signal n stopped it
// (saved). Throws Error.
int run(const TrainCommandOptions& options, core::Progress& progress);

}  // namespace salf::tools
