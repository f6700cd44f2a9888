// What the ranks of a command tell one another beside their shares of the work: whether they have
// the same before them, and what stages decide.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "app/session/session.h"
#include "core/files.h"
#include "core/json.h"
#include "distributed/group.h"
#include "train/run/trainer.h"
#include "types/freeze_plan.h"

namespace salf::app {

// `ranks` is null of one process everywhere here.
inline bool leads(const distributed::Group* ranks) { return ranks == nullptr || ranks->leads(); }

// The first rank opens and locks the folder; the others wait for it, and get null. Throws as
// OutputFolder does. `result`: the file that a finished run leaves there.
std::unique_ptr<core::OutputFolder> open_run_folder(distributed::Group* ranks,
    const std::filesystem::path& folder, bool replace, const std::string& result = "run.json");

// Throws Error(kUsage) that names what is not that of rank 0: the program, the model, the data, the
// tokenizer, the type of computation or an option. `recorded`: the options.
void check_alike(distributed::Group* ranks, const Session& session, const core::Json& recorded);

// A plan that was made for ranks, or for one process and is carried out by several. Throws
// Error(kUsage) where its batches cannot be dealt to so many.
types::FreezePlan plan_for(const distributed::Group* ranks, types::FreezePlan plan);

// The first rank decides.
class SharedStages : public train::StageDecider {
 public:
  SharedStages(distributed::Group& ranks, train::StageDecider& decider)
      : ranks_(ranks), decider_(decider) {}
  types::StageDecision decide(const types::StageEnd& end) override;

 private:
  distributed::Group& ranks_;
  train::StageDecider& decider_;
};

// Done by the rank that leads, while the others go on or wait for it.
void work_alone(distributed::Group* ranks, const std::function<void()>& work);

}  // namespace salf::app
