// What must be kept so that an interrupted run goes on as if nothing had happened? One safetensors
// file, a JSON description in its metadata, written atomically; the last two are kept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/fields.h"
#include "core/json.h"
#include "tensor/tensor_file.h"
#include "types/freeze_plan.h"
#include "types/run_record.h"

namespace salf::train {

// Where a run stands.
struct Progression {
  std::int64_t step = 0;    // optimizer steps done
  std::int64_t epoch = 0;   // of the next batch
  std::int64_t batch = 0;   // the next batch within its epoch
  std::int64_t tokens = 0;  // real tokens trained on
  std::int64_t supervised_tokens = 0;
  double flops = 0.0;                          // of the training batches
  double flops_avoided = 0.0;                  // of the frozen part, which came from a cache
  double spent_seconds = 0.0;                  // of the budget, all processes of this run together
  std::optional<std::int64_t> cooldown_start;  // set once it is settled
  std::vector<types::DevEvaluation> evaluations;
  std::optional<types::DevEvaluation> best;
  std::int64_t worse_evaluations = 0;   // in a row since the best one
  std::optional<double> best_accuracy;  // of the best evaluation
  std::vector<types::Gate> gates;
  std::vector<types::StageRecord> stages;  // the last one is open; none of a run without stages
  types::CostBreakdown measured_seconds;
  std::int64_t peak_anonymous_bytes = 0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"step"}.range(0, 1e12), self.step);
    visit(Field{"epoch"}.range(0, 1e12), self.epoch);
    visit(Field{"batch"}.range(0, 1e12), self.batch);
    visit(Field{"tokens"}.range(0, 1e15), self.tokens);
    visit(Field{"supervised_tokens"}.range(0, 1e15), self.supervised_tokens);
    visit(Field{"flops"}.range(0, 1e40), self.flops);
    visit(Field{"flops_avoided"}.range(0, 1e40), self.flops_avoided);
    visit(Field{"spent_seconds"}.range(0, 1e12), self.spent_seconds);
    visit(Field{"cooldown_start"}.range(0, 1e12), self.cooldown_start);
    visit(Field{"evaluations"}, self.evaluations);
    visit(Field{"best"}, self.best);
    visit(Field{"worse_evaluations"}.range(0, 1e12), self.worse_evaluations);
    visit(Field{"best_accuracy"}, self.best_accuracy);
    visit(Field{"gates"}, self.gates);
    visit(Field{"stages"}, self.stages);
    visit(Field{"measured_seconds"}, self.measured_seconds);
    visit(Field{"peak_anonymous_bytes"}, self.peak_anonymous_bytes);
  }
};

// What must be the same when a run is resumed: name → value ("model_hash", "data_hash", every
// option).
using Identity = core::Json;

struct Checkpoint {
  static constexpr const char* kSchema = "salf.checkpoint/1";

  Identity identity = core::Json::object();
  Progression progression;
  std::vector<tensor::NamedTensor>
      tensors;  // "weight/NAME", "best/NAME", AdamW's state under "adam/"
};

// Writes folder/checkpoint-STEP.safetensors and then removes all but the last two. Throws
// Error(kIo).
void write_checkpoint(const std::filesystem::path& folder, const Checkpoint& checkpoint);

// The latest checkpoint of the folder, nothing if there is none. Throws Error(kBadInput) when it is
// damaged.
std::optional<Checkpoint> read_latest_checkpoint(const std::filesystem::path& folder);

// Removes all checkpoints of the folder (the run has ended and its model is saved).
void remove_checkpoints(const std::filesystem::path& folder);

// Throws Error(kUsage) that names each entry of `saved` and `present` that differs, with both
// values.
void check_identity(const Identity& saved, const Identity& present);

}  // namespace salf::train
