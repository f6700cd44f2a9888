// What a training run is asked for: its options, and the request that follows from them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/planning/planning_options.h"
#include "app/session/lora_options.h"
#include "app/session/model_options.h"
#include "calibration/calibrate.h"
#include "core/json.h"
#include "data/batching/batching.h"
#include "data/rows/dataset.h"
#include "train/run/train_options.h"
#include "types/run_record.h"

namespace salf::distributed {
class Group;
}

namespace salf::app {

struct RunOptions {
  ModelOptions model;
  FrozenOptions frozen;
  data::DataOptions data;
  data::BatchOptions batch;
  calibration::CalibrationOptions calibration;
  PlanningOptions planning;
  LoraOptions lora;
  train::TrainOptions train;
  std::string profile;                  // instead of analyzing
  bool full_evidence = false;           // EvidenceNeed::kAll
  std::string plan;                     // instead of analyzing and planning
  std::string resume;                   // a run directory; everything else comes from its run.json
  std::string replay;                   // a run.json; everything but --output comes from it
  std::vector<std::string> gates;       // types::parse_gate
  std::string pilot;                    // pilot_share; "": the whole
  std::optional<std::int64_t> answers;  // RunAnswerOptions::asked
  std::string tensorboard;              // folder of event files
  std::optional<std::int64_t> metrics_port;  // of Prometheus' text on 127.0.0.1
  std::string scratch;                       // scratch_folder
  std::string output = "run";

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    ModelOptions::fields(self.model, visit);
    FrozenOptions::fields(self.frozen, visit);
    data::DataOptions::fields(self.data, visit);
    data::BatchOptions::fields(self.batch, visit);
    calibration::CalibrationOptions::fields(self.calibration, visit);
    PlanningOptions::fields(self.planning, visit);
    LoraOptions::fields(self.lora, visit);
    train::TrainOptions::fields(self.train, visit);
    core::begin_group(visit, "Run");
    visit(Field{"profile", "profile.json to use instead of analyzing"}, self.profile);
    visit(Field{"full_evidence",
              "before the first step, measure the layers and time steps also where neither the "
              "choice nor the budget needs it"},
        self.full_evidence);
    visit(Field{"plan", "plan.json to carry out instead of making one"}.common(), self.plan);
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
    visit(Field{"answers",
              "answer so many held-out prompts before and after the run, for its report; without "
              "it: 5 where the run takes minutes"}
              .range(0, 1000),
        self.answers);
    visit(Field{"tensorboard", "folder to write TensorBoard's event files to"}, self.tensorboard);
    visit(Field{"metrics_port",
              "serve Prometheus' text on http://127.0.0.1:N/metrics while it runs; 0: a free port"}
              .range(0, 65535),
        self.metrics_port);
    visit(Field{"scratch", "folder for its own files; default: $TMPDIR on a disk, else the run's"},
        self.scratch);
    visit(Field{"output",
              "run directory: the tuned model, with LoRA also adapter/, run.json, metrics.jsonl, "
              "profile.json, plan.json"}
              .common(),
        self.output);
  }

  std::vector<std::string> problems() const;
};

// The run that is gone on with, or repeated.
struct Origin {
  std::string file;
  types::RunRecord record;
  bool resumed = false;  // else repeated
};

struct TrainingRequest {
  RunOptions options;
  core::Json recorded = core::Json::object();  // the options as run.json keeps them
  std::optional<Origin> origin{};
  std::optional<types::FreezePlan> plan{};  // of options.plan, or made otherwise
  bool replace = false;                     // an earlier run in the folder
  distributed::Group* ranks = nullptr;      // that share the run; null: this process alone
};

// Where the options name a run to resume or to replay, the others come from its record, except
// output, tensorboard and metrics_port. Throws Error(kUsage) for a run that cannot be resumed,
// Error(kIo) and Error(kBadInput) for its record.
TrainingRequest training_request(const RunOptions& given);

// The same after a launcher has started all ranks again: goes on with the run in the folder of
// these options, if it is theirs, from its last checkpoint, or from its beginning where there is
// none.
TrainingRequest restarted_request(const RunOptions& given);

}  // namespace salf::app
