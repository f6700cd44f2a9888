// Bench: the plan and its control arms at equal budget on a virtual clock.
#pragma once

#include "app/bench/bench_options.h"
#include "app/bench/bench_prices.h"
#include "app/bench/bench_record.h"
#include "app/evidence/arm_runs.h"
#include "app/session/session.h"
#include "core/files.h"
#include "core/progress.h"
#include "distributed/group.h"
#include "types/run_record.h"

namespace salf::app {

class Bench {
 public:
  // Opens the folder, the model and the data. An earlier bench in the folder goes on where it
  // stopped, unless `replace`. Throws as its parts do; Error(kUsage) for an earlier bench with
  // other options or another number of ranks. `ranks` (null: this process alone) share every run,
  // a batch of each in a step; the first writes. The references must outlive it.
  Bench(const BenchOptions& options, bool replace, core::Progress& progress,
      distributed::Group* ranks = nullptr);

  // Runs what is missing. False once core::stop_signal() is set: the arm that was running is done
  // again next time.
  bool run();

  const BenchRecord& record() const { return record_; }
  std::filesystem::path file(const std::string& name) const { return folder_path_ / name; }

 private:
  // One number of steps of an arm.
  struct Length {
    BenchRow row;
    std::int64_t steps = 0;
  };
  // What is trained (of the plan that may differ with the length), and how long.
  struct Trunk {
    BenchArm arm;
    std::vector<Length> lengths;
  };

  bool begin();
  bool begins_anew();
  // All ranks: what the first one has.
  void share_record(types::LayerProfile profile);
  core::Json identity() const;
  void save() const;
  const BenchRow* find(const std::vector<BenchRow>& rows, const BenchRow& like, bool by_rate) const;
  BenchRow row_of(const BenchArm& arm, double minutes, std::int64_t seed) const;

  bool score_untuned();
  bool score(const Session& session, BenchRow& row) const;
  bool run_lengths(const BenchArm& arm, std::int64_t seed);
  std::vector<Trunk> missing(const BenchArm& arm, std::int64_t seed) const;
  bool run_trunk(Trunk& trunk);
  // The best rate of an arm on dev, one choice for all lengths and seeds. Nothing if stopped.
  std::optional<double> best_rate(const BenchArm& arm, const BenchRow& row);
  bool run_trial(const BenchArm& arm, const BenchRow& trial);
  ArmSetup arm_setup() const;
  void fill(const BenchArm& arm, const types::RunRecord& run, BenchRow& row) const;

  const BenchOptions& options_;
  bool replace_;
  core::Progress& progress_;
  distributed::Group* ranks_;
  std::unique_ptr<core::OutputFolder> folder_;  // null of the ranks that do not lead
  std::filesystem::path folder_path_;
  Session session_;
  std::vector<BenchArm> arms_;
  BenchRecord record_;
  BenchPrices prices_;
};

}  // namespace salf::app
