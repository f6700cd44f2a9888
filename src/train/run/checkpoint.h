// What an interrupted run goes on from, as if nothing had happened: one safetensors file, a JSON
// description in its metadata, written atomically; the last two are kept.
#pragma once

#include <filesystem>
#include <optional>

#include "core/json.h"
#include "train/run/run_inputs.h"

namespace salf::train {

// What must be the same when a run is resumed: name → value ("model_hash", "data_hash", every
// option).
using Identity = core::Json;

struct Checkpoint {
  static constexpr const char* kSchema = "salf.checkpoint/1";

  Identity identity = core::Json::object();
  RunSnapshot run;
  RunCourse course;
};

// Writes folder/checkpoint-STEP.safetensors and then removes all but the last two. Throws
// Error(kIo).
void write_checkpoint(const std::filesystem::path& folder, const Checkpoint& checkpoint);

// The latest checkpoint of the folder, nothing if there is none; former names of options in its
// identity are replaced by the present ones. Throws Error(kBadInput) when it is damaged.
std::optional<Checkpoint> read_latest_checkpoint(const std::filesystem::path& folder);

// The step of the latest checkpoint of the folder, by its name; nothing if there is none.
std::optional<std::int64_t> latest_checkpoint_step(const std::filesystem::path& folder);

// Removes all checkpoints of the folder (the run has ended and its model is saved).
void remove_checkpoints(const std::filesystem::path& folder);

// Throws Error(kUsage) that names each entry of `saved` and `present` that differs, with both
// values.
void check_identity(const Identity& saved, const Identity& present);

// When a run is saved.
class CheckpointTimer {
 public:
  // `options` must outlive this.
  explicit CheckpointTimer(const TrainOptions& options) : options_(options) {}

  // A checkpoint was written (or read) after `step` steps, with `spent` seconds spent, and that
  // took so long.
  void saved(std::int64_t step, double spent, double took);
  bool due(std::int64_t step, double spent) const;
  // That the next one takes: of so many trained elements the weights, the best ones and two
  // moments.
  double seconds(std::int64_t elements) const;

 private:
  const TrainOptions& options_;
  std::int64_t step_ = 0;
  double spent_ = 0.0;
  double took_ = 0.0;
};

}  // namespace salf::train
