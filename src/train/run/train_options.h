// How a run trains: the optimizer, early stopping, checkpoints and the cache of the frozen part.
#pragma once

#include <cstdint>

#include "core/fields.h"
#include "types/run_record.h"
#include "types/shard_optimizer.h"

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
  bool recompute = false;  // keep no activations: run each trained block again, backward
  bool measure_products = false;
  types::ShardOptimizer shard_optimizer = types::ShardOptimizer::kAuto;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    core::begin_group(visit, "Tuning");
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
              "same model, rows, cut, batches and seed uses it"},
        self.keep_cache);
    visit(Field{"cache_dtype",
              "how the frozen part's output is kept: f32, or bf16 for half the disk space; a run "
              "that "
              "computes in bf16 keeps bf16, exactly"},
        self.cache_dtype);
    visit(Field{"recompute",
              "run each trained block again in the backward pass instead of keeping what is "
              "within it: less memory, slower steps"},
        self.recompute);
    visit(Field{"measure_products",
              "in the end, time a step's matrix products alone, for their share of the step"},
        self.measure_products);
    visit(Field{"shard_optimizer",
              "of several ranks, each keeps the optimizer's state of its part of the weights: "
              "auto, on, or off; auto: where whole blocks are trained"},
        self.shard_optimizer);
  }
};

}  // namespace salf::train
