// How does a plan become a tuned model? The training loop: the prefix runs without autograd, the
// rest is tuned with AdamW under the plan's budget, is evaluated on held-out rows, and can be
// stopped and resumed at any step.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/fields.h"
#include "core/json.h"
#include "core/progress.h"
#include "data/batching/batching.h"
#include "model/graph/graph_cut.h"
#include "model/script_model.h"
#include "train/evaluate.h"
#include "train/run/run_observer.h"
#include "types/freeze_plan.h"
#include "types/run_record.h"

namespace salf::train {

struct TrainOptions {
  double weight_decay = 0.01;
  double beta1 = 0.9;
  // Batches here are small (a thousand tokens), and the second moment should average over a fixed
  // number of tokens rather than of steps (Marek et al. 2025, arXiv 2507.07101): so 0.999 and not
  // the 0.95 of pre-training with millions of tokens a batch.
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double clip = 1.0;          // global gradient norm; 0: no clipping
  std::int64_t patience = 3;  // evaluations in a row without a better one; 0: no early stopping
  double checkpoint_seconds = 600.0;  // between checkpoints; 0: only when interrupted
  std::int64_t checkpoint_steps = 0;  // also every so many steps; 0: by seconds alone
  bool no_cache = false;              // run the frozen part in every epoch
  bool keep_cache = false;            // leave the frozen part's output behind, for later runs
  types::CacheType cache_dtype = types::CacheType::kFloat32;
  bool recompute = false;  // run each trained block again in the backward pass instead of keeping
                           // its activations
  bool measure_products = false;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"weight_decay", "decoupled weight decay, none on norms and biases"}.range(0, 10),
        self.weight_decay);
    visit(Field{"beta1", "AdamW: decay of the first moment"}.range(0, 0.999999), self.beta1);
    visit(Field{"beta2", "AdamW: decay of the second moment"}.range(0, 0.9999999), self.beta2);
    visit(
        Field{"epsilon", "AdamW: added to the root of the second moment"}.positive(), self.epsilon);
    visit(Field{"clip", "largest global norm of the gradient; 0: no clipping"}.range(0, 1e9),
        self.clip);
    visit(Field{"patience", "stop after so many evaluations without a better one; 0: never"}.range(
              0, 1e6),
        self.patience);
    visit(
        Field{"checkpoint_seconds", "seconds between checkpoints; 0: only when interrupted"}.range(
            0, 1e9),
        self.checkpoint_seconds);
    visit(Field{"checkpoint_steps", "a checkpoint every so many steps; 0: by seconds alone"}.range(
              0, 1e9),
        self.checkpoint_steps);
    visit(Field{"no_cache",
              "run the frozen part in every epoch instead of keeping its output on disk"},
        self.no_cache);
    visit(Field{"keep_cache",
              "leave the frozen part's output in the run directory, where a later run of the "
              "same model, "
              "rows, cut, batches and seed uses it"},
        self.keep_cache);
    visit(Field{"cache_dtype",
              "how the frozen part's output is kept: f32, or bf16 for half the disk space"},
        self.cache_dtype);
    visit(Field{"recompute",
              "run each trained block again in the backward pass instead of keeping what is "
              "within it: "
              "less memory, slower steps"},
        self.recompute);
    visit(Field{"measure_products",
              "in the end, time a step's matrix products alone, for their share of the step"},
        self.measure_products);
  }
};

// What repeats a run byte for byte without looking at the clock.
struct Replay {
  std::int64_t cooldown_start = 0;
  std::int64_t steps = 0;
  std::vector<std::int64_t> evaluated;  // steps at which the dev split was evaluated
  std::vector<types::StageRecord> stages;
};
// Throws Error(kBadInput) if the record is of a run that did not come to its end (running,
// interrupted, diverged).
Replay replay_of(const types::RunRecord& record);

// All that a run needs. The references must outlive train().
struct TrainInputs {
  const model::ScriptModel& model;
  const model::GraphCut& graph;
  const data::Batcher& train;
  const data::Batcher& dev;       // without rows: no evaluation, the last weights are kept
  const types::FreezePlan& plan;  // cut, steps, learning_rate, accumulate, budget, evaluations are
                                  // read; with stages, what prices a step
  TrainOptions options;
  std::uint64_t seed = 1;  // order of the batches
  c10::ScalarType autocast =
      c10::ScalarType::Float;      // bf16 on CUDA: products in it, weights stay f32
  std::filesystem::path folder{};  // for metrics.jsonl and checkpoints; exists
  // What may not change when the run is resumed (hashes of model and data, options of the caller);
  // the plan and the trainer's own options are added here.
  core::Json identity = core::Json::object();
  // What the frozen part's output depends on besides rows and cut (hashes of model and tokenizer,
  // versions); needed for options.keep_cache.
  core::Json cache_key = core::Json::object();
  bool resume = false;  // go on from the folder's latest checkpoint
  std::optional<Replay> replay{};
  // The dev evaluation before the first step, where it has been made already.
  std::optional<MeasuredLosses> before{};
  // Seconds of the budget that this process has spent so far, analysis and loading included (of one
  // in energy or money, what a meter has shown, as seconds: cost::spent_seconds); empty:
  // core::process_seconds. A resumed run adds what the checkpoint had spent.
  std::function<double()> clock{};
  double closing_seconds =
      0.0;  // what the caller still has to do inside the budget: saving the model
  // FLOPs of one training batch at a cut, whose frozen part is run or comes from the cache; needed
  // for budgets in FLOPs and shares, and for the record.
  std::function<double(const tensor::Batch&, std::int64_t cut, bool cached)> batch_flops{};
  double budget_flops = 0.0;  // a share or FLOP budget, resolved, less what was spent before
  std::vector<RunObserver*> observers{};  // must outlive train()
  // Which blocks are trained in a step (steps done before it), where not all above the cut are:
  // Freeze::train_only. For control arms; nothing of what is below the lowest is kept. REQUIRES:
  // plan.cut 0
  std::function<std::vector<std::int64_t>(std::int64_t step)> blocks{};
  // Runs of fewer steps on the way, ascending: where the schedule of so many steps would begin its
  // cooldown, the run cools down from there, calls `branched` with the record of that branch, the
  // model holding its best weights, and goes back to the weights, moments and batches it left (a
  // warm-up, stable, decay trunk: Hu et al. 2024, arXiv 2404.06395). Nothing of a branch is in
  // metrics.jsonl. What `branched` throws passes through. REQUIRES: a deterministic budget of more
  // steps
  std::vector<std::int64_t> branches{};
  std::function<void(const types::RunRecord&)> branched{};
  // Whether the cut moves on at the end of a stage; needed where plan.stages has several. Each
  // stage takes the learning rate of its candidate, warmed up again. REQUIRES with stages: neither
  // LoRA, blocks nor branches, and no budget in FLOPs or a share
  std::function<types::StageDecision(const types::StageEnd&)> next_stage{};
  // Quality gates, looked at after each evaluation but the one before the first step, and at the
  // end of the weights that are kept. One that fails ends the run (kGateFailed) with the best
  // weights of those evaluations at which all held, or the weights before.
  std::vector<types::Gate> gates{};
};

// Runs the plan and returns the record (provenance, predictions and the whole budget's other parts
// are the caller's). At the end the model holds the best evaluated weights (record.best), also when
// the run diverged, was interrupted or a gate failed (then without the evaluation at which it did);
// an interrupted run has a checkpoint of where it stood.
//
// metrics.jsonl in the folder receives a line a step,
//   {"step": 1, "epoch": 0, "tokens": …, "supervised_tokens": …, "seconds": …, "loss": …, "lr": …,
//    "budget_spent": …}
// (steps from 1, epochs from 0, tokens cumulative, seconds of this step, loss in nats per
// supervised token of the step before its update, budget_spent the share 0 … 1 of the budget), and
// a line an evaluation,
//   {"step": …, "dev_loss": …, "seconds": …}
// (steps done before it).
//
// Budgets: steps and epochs end with plan.steps; tokens, FLOPs and shares end earlier where the
// next step's batches would exceed the amount; seconds, energy and money end by the clock
// (pacer.h), whatever plan.steps says, which then only spaces the evaluations and the warm-up.
//
// Where a row is used more than once (further epochs, further evaluations, later runs by
// options.keep_cache), the frozen part's output is kept in a PrefixCache in the folder, if its disk
// has the room; by keep_cache as train.prefix-cache and dev.prefix-cache. The weights below the cut
// then lie in a nameless file there, also after this returns, and leave memory once the cache holds
// every row.
//
// Throws Error(kUsage) for a resume that does not fit, Error(kIo), Error(kInternal).
types::RunRecord train(const TrainInputs& inputs, core::Progress& progress);

}  // namespace salf::train
