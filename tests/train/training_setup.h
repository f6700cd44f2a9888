// What the tests of training share: a tiny model, a small data set made in memory, and a plan.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "salf/core/progress.h"
#include "salf/data/batching.h"
#include "salf/data/dataset.h"
#include "salf/model/graph_cut.h"
#include "salf/model/script_model.h"
#include "salf/train/trainer.h"
#include "salf/types/freeze_plan.h"
#include "support/temporary_folder.h"

namespace salf::train {

inline constexpr int kTestBlocks = 3;
inline constexpr int kTestVocabulary = 50;

using testing::TemporaryFolder;

// A seeded grammar (each token mostly follows from the one before), `count` documents of 4 … 20
// tokens, the first three without loss.
data::Dataset make_dataset(std::int64_t count, std::uint64_t seed);

// The whole of it, with stable addresses for TrainInputs.
struct TinyRun {
  explicit TinyRun(bool tied = true, std::int64_t accumulate = 1);
  TrainInputs inputs(const std::filesystem::path& folder) const;
  std::string saved_bytes() const;  // of the model as ScriptModel::save writes it

  data::Dataset dataset;
  model::ScriptModel model;
  model::GraphCut cut;
  data::Batcher train_batches;
  data::Batcher dev_batches;
  types::FreezePlan plan;  // full fine-tuning in 12 steps, 3 evaluations
};

std::vector<std::string> read_lines(const std::filesystem::path& path);

}  // namespace salf::train
