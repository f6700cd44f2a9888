// What the tests of training share: a tiny model, a small data set made in memory, and a plan.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"
#include "core/progress.h"
#include "core/signals.h"
#include "data/batching/batching.h"
#include "data/rows/dataset.h"
#include "model/graph/graph_cut.h"
#include "model/script_model.h"
#include "support/temporary_folder.h"
#include "train/run/trainer.h"
#include "types/freeze_plan.h"

namespace salf::train {

inline constexpr int kTestBlocks = 3;
inline constexpr int kTestVocabulary = 50;

using testing::TemporaryFolder;

// A seeded grammar (each token mostly follows from the one before), `count` documents of 4 … 20
// tokens, the first three without loss.
data::Dataset make_dataset(std::int64_t count, std::uint64_t seed);

// The whole of it, with stable addresses for TrainInputs.
struct TinyRun {
  explicit TinyRun(bool tied = true, std::int64_t accumulate = 1, c10::Device device = c10::kCPU);
  TrainInputs inputs(const std::filesystem::path& folder) const;
  std::string saved_bytes() const;  // of the model as ScriptModel::save writes it

  data::Dataset dataset;
  model::ScriptModel model;
  model::GraphCut graph;
  data::Batcher train_batches;
  data::Batcher dev_batches;
  types::FreezePlan plan;  // full fine-tuning in 12 steps, 3 evaluations
};

std::vector<std::string> read_lines(const std::filesystem::path& path);

// The lines of metrics.jsonl that have `key`.
std::vector<core::Json> metrics(const std::filesystem::path& folder, const std::string& key);
// Everything in metrics.jsonl but the times.
std::vector<std::string> timeless(const std::filesystem::path& folder);

// Asks the program to stop when `step` steps are done.
class StopAt : public core::Progress {
 public:
  explicit StopAt(std::int64_t step) : step_(step) {}
  ~StopAt() override { core::set_stop_signal(0); }
  void begin(const std::string& what, std::int64_t, const std::string&) override {
    training_ = what == "training";
  }
  void update(std::int64_t done, const std::string&) override {
    if (training_ && done == step_) core::set_stop_signal(15);
  }

 private:
  std::int64_t step_;
  bool training_ = false;
};

// A machine whose clock only moves by what this says: a training step and an evaluated batch take
// so long.
class SlowMachine : public core::Progress, public RunClock {
 public:
  SlowMachine(std::function<double(std::int64_t)> step_seconds, double batch_seconds)
      : step_seconds_(std::move(step_seconds)), batch_seconds_(batch_seconds) {}
  void begin(const std::string& what, std::int64_t, const std::string&) override {
    training_ = what == "training";
  }
  void update(std::int64_t, const std::string&) override {
    now_ += training_ ? step_seconds_(steps_++) : batch_seconds_;
  }
  double spent_seconds() const override { return now_; }
  double now() const { return now_; }

 private:
  std::function<double(std::int64_t)> step_seconds_;
  double batch_seconds_;
  std::int64_t steps_ = 0;
  bool training_ = false;
  double now_ = 3.0;  // loading and analysis
};

// Decides as `decide` says.
class Decider : public StageDecider {
 public:
  using Function = std::function<types::StageDecision(const types::StageEnd&)>;
  explicit Decider(Function decide) : decide_(std::move(decide)) {}
  types::StageDecision decide(const types::StageEnd& end) override { return decide_(end); }

 private:
  Function decide_;
};

}  // namespace salf::train
