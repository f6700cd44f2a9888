#include "app/training/shared_run.h"

#include "app/version.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/signals.h"
#include "core/text.h"
#include "types/validate.h"

namespace salf::app {
namespace {

core::Json facts(const Session& session, const core::Json& recorded) {
  const types::Provenance made = session.provenance();
  core::Json facts = {{"the program", core::sha256_file("/proc/self/exe")},
      {"the version of LibTorch", made.torch_version}, {"the model", made.model_hash},
      {"the data", made.data_hash}, {"the tokenizer", made.tokenizer_hash},
      {"the type of computation (--dtype)", made.dtype}};
  for (const auto& option : recorded.items())
    facts[core::flag_name(option.key())] = option.value().dump();
  return facts;
}

[[noreturn]] void refuse_ranks(const std::string& what, std::int64_t ranks) {
  throw Error(ErrorKind::kUsage, what + ", but " + std::to_string(ranks) + " ranks were started");
}

}  // namespace

std::unique_ptr<core::OutputFolder> open_run_folder(distributed::Group* ranks,
    const std::filesystem::path& folder, bool replace, const std::string& result) {
  std::unique_ptr<core::OutputFolder> opened;
  if (leads(ranks)) opened = std::make_unique<core::OutputFolder>(folder, result, replace);
  if (ranks == nullptr) return opened;
  ranks->barrier();
  std::error_code error;
  std::filesystem::create_directories(folder, error);  // on a machine that does not share it
  if (error) {
    throw Error(
        ErrorKind::kIo, core::printable_path(folder) + ": cannot be made: " + error.message());
  }
  return opened;
}

void check_alike(distributed::Group* ranks, const Session& session, const core::Json& recorded) {
  if (ranks == nullptr) return;
  const core::Json own = facts(session, recorded);
  const std::vector<std::string> all = ranks->all_gather(own.dump());
  const core::Json first = core::parse_json(all.front(), "rank 0");
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    const core::Json one = core::parse_json(all[rank], "a rank");
    for (const auto& fact : first.items()) {
      if (one.value(fact.key(), "") == fact.value()) continue;
      throw Error(
          ErrorKind::kUsage, "rank " + std::to_string(rank) + " differs from rank 0 in " +
                                 fact.key() + ": " + core::printable(one.value(fact.key(), "")) +
                                 " instead of " + core::printable(fact.value().get<std::string>()) +
                                 "; start all ranks with the same program, files and options");
    }
  }
}

types::FreezePlan plan_for(const distributed::Group* ranks, types::FreezePlan plan) {
  if (ranks == nullptr) return plan;
  const std::int64_t count = ranks->size();
  if (plan.shards) {
    if (*plan.shards >= count) return plan;
    refuse_ranks("the run's rows were dealt to " + std::to_string(*plan.shards) +
                     " shards: as many ranks at most can share it",
        count);
  }
  if (plan.accumulate % count != 0) {
    refuse_ranks("the plan was made for one process, and takes " + std::to_string(plan.accumulate) +
                     " batches a step, of which each rank must have as many; make it with "
                     "--accumulate " +
                     std::to_string(count),
        count);
  }
  plan.shards = count;
  return plan;
}

types::StageDecision SharedStages::decide(const types::StageEnd& end) {
  std::string text;
  if (ranks_.leads()) text = core::to_json(decider_.decide(end)).dump();
  types::StageDecision decision;
  core::from_json(
      core::parse_json(ranks_.broadcast(text), "rank 0's decision"), "rank 0's decision", decision);
  return decision;
}

void work_alone(distributed::Group* ranks, const std::function<void()>& work) {
  if (!leads(ranks)) return;
  const distributed::Group::LongWork waited_for(ranks, "what rank 0 does alone");
  work();
}

}  // namespace salf::app
