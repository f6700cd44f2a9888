// What a run is made of (what is trained, how and where), and where it stands.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "core/json.h"
#include "data/batching/batching.h"
#include "model/graph/graph_cut.h"
#include "model/script_model.h"
#include "tensor/tensor_file.h"
#include "train/run/train_options.h"
#include "types/freeze_plan.h"
#include "types/run_record.h"

namespace salf::distributed {
class Group;
}

namespace salf::train {

// All of it must outlive the run.
struct RunSubject {
  const model::ScriptModel& model;
  const model::GraphCut& graph;
  const data::Batcher& train;
  const data::Batcher& dev;  // without rows: no evaluation, the last weights are kept
  // shape, cuts, steps, learning rates, accumulate, budget and evaluations are read; with stages,
  // what prices a step. FLOPs are counted by its shape: none for a shape without blocks.
  const types::FreezePlan& plan;
};

struct RunMethod {
  TrainOptions options{};
  std::uint64_t seed = 1;  // order of the batches
};

struct RunPlace {
  std::filesystem::path folder{};  // exists
  // What may not change when the run is resumed (hashes of model and data, options of the caller);
  // the plan and the trainer's own options are added.
  core::Json identity = core::Json::object();
  // What the frozen part's output depends on besides rows and cut (hashes of model and tokenizer,
  // versions); needed for options.keep_cache.
  core::Json cache_key = core::Json::object();
  std::filesystem::path scratch{};  // for files without a name, exists; empty: `folder`

  const std::filesystem::path& nameless() const { return scratch.empty() ? folder : scratch; }
};

struct RunInputs {
  RunSubject what;
  RunMethod how{};
  RunPlace where{};
  // That share the run; null: this process alone. With several, the plan and the batches of the
  // train split have as many shards, or more.
  distributed::Group* ranks = nullptr;
};

// Where a run stands: what is saved and restored.
struct RunState {
  std::int64_t step = 0;    // optimizer steps done
  std::int64_t epoch = 0;   // of the next batch
  std::int64_t batch = 0;   // the next batch within its epoch
  std::int64_t tokens = 0;  // real tokens trained on
  std::int64_t supervised_tokens = 0;
  double flops = 0.0;          // of the training batches
  double flops_avoided = 0.0;  // of the frozen part, which came from a cache
  std::vector<types::DevEvaluation> evaluations;
  std::optional<types::DevEvaluation> best;
  std::int64_t worse_evaluations = 0;   // in a row since the best one
  std::optional<double> best_accuracy;  // of the best evaluation
  types::CostBreakdown measured_seconds;
  std::int64_t peak_anonymous_bytes = 0;

  // Whether the weights of this step were evaluated.
  bool evaluated() const { return !evaluations.empty() && evaluations.back().step == step; }
  bool best_is_present() const { return best && best->step == step; }
  // The evaluation before the first step; null if there was none.
  const types::DevEvaluation* before() const {
    return !evaluations.empty() && evaluations.front().step == 0 ? &evaluations.front() : nullptr;
  }
  // Whether so many evaluations in a row were no better than the best one; never with 0.
  bool out_of_patience(std::int64_t patience) const {
    return patience > 0 && worse_evaluations >= patience;
  }

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"step"}.range(0, 1e12), self.step);
    visit(Field{"epoch"}.range(0, 1e12), self.epoch);
    visit(Field{"batch"}.range(0, 1e12), self.batch);
    visit(Field{"tokens"}.range(0, 1e15), self.tokens);
    visit(Field{"supervised_tokens"}.range(0, 1e15), self.supervised_tokens);
    visit(Field{"flops"}.range(0, 1e40), self.flops);
    visit(Field{"flops_avoided"}.range(0, 1e40), self.flops_avoided);
    visit(Field{"evaluations"}, self.evaluations);
    visit(Field{"best"}, self.best);
    visit(Field{"worse_evaluations"}.range(0, 1e12), self.worse_evaluations);
    visit(Field{"best_accuracy"}, self.best_accuracy);
    visit(Field{"measured_seconds"}, self.measured_seconds);
    visit(Field{"peak_anonymous_bytes"}.range(0, 1e18), self.peak_anonymous_bytes);
  }
};

// A run at one moment.
struct RunSnapshot {
  RunState state;
  // "weight/NAME", "best/NAME" where those of the best evaluation are others, AdamW's under
  // "adam/".
  std::vector<tensor::NamedTensor> tensors;
};

// What the training loop's policies settled on the way.
struct RunCourse {
  double spent_seconds = 0.0;                  // of the budget, all processes of this run together
  std::optional<std::int64_t> cooldown_start;  // set once it is settled
  std::vector<types::Gate> gates;
  std::vector<types::StageRecord> stages;  // the last one is open; none of a run without stages

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"spent_seconds"}.range(0, 1e12), self.spent_seconds);
    visit(Field{"cooldown_start"}.range(0, 1e12), self.cooldown_start);
    visit(Field{"gates"}, self.gates);
    visit(Field{"stages"}, self.stages);
  }
};

}  // namespace salf::train
