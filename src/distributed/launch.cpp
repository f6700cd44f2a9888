#include "distributed/launch.h"

#include <cmath>
#include <cstdlib>

#include "core/error.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/text.h"

namespace salf::distributed {
namespace {

constexpr std::int64_t kMostRanks = 65536;
constexpr const char* kThisMachine = "127.0.0.1";

// The variables of one launcher.
struct Names {
  const char* launcher;
  const char* rank;
  const char* size;
  const char* local_rank;
  const char* local_size;
  const char* job;  // what tells jobs on one machine apart
};
// Later ones may have started earlier ones: srun runs torchrun or mpirun on each machine.
constexpr Names kLaunchers[] = {
    {"torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID"},
    {"mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
        "OMPI_COMM_WORLD_LOCAL_SIZE", "PMIX_NAMESPACE"},
    // SLURM_PROCID alone stands in every batch script; srun adds the step's tasks.
    {"srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE",
        "SLURM_JOB_ID"},
    {"mpiexec", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS", "PMI_JOBID"},
};

[[noreturn]] void refuse(
    const Names& names, const char* variable, const std::string& expected, const std::string& got) {
  throw Error(ErrorKind::kUsage, std::string(names.launcher) + " set " + names.rank + ", but " +
                                     variable + ": expected " + expected + ", got " + got);
}

std::int64_t number(const Environment& variable, const Names& names, const char* name,
    std::int64_t least, std::int64_t most) {
  const auto text = variable(name);
  const std::string range =
      "a number from " + std::to_string(least) + " to " + std::to_string(most);
  if (!text) refuse(names, name, range, "nothing; start all ranks with one launcher");
  const auto value = core::parse_number(*text);
  const bool fits = value && *value == std::floor(*value) && *value >= static_cast<double>(least) &&
                    *value <= static_cast<double>(most);
  if (!fits) refuse(names, name, range, "\"" + core::printable(*text) + "\"");
  return static_cast<std::int64_t>(*value);
}

// Two jobs on a machine must not meet.
std::uint16_t port_of(const std::string& job) {
  constexpr std::uint64_t kFirst = 20000, kCount = 10000;
  return static_cast<std::uint16_t>(kFirst + core::stable_hash(job) % kCount);
}

// Where rank 0 is to be found, if the launcher does not say.
std::string address_of(const Environment& variable, const Names& names, const Launch& launch) {
  if (const auto nodes = variable("SLURM_STEP_NODELIST")) return first_host(*nodes);
  const auto local = variable(names.local_size);
  if (local && *local == std::to_string(launch.size)) return kThisMachine;
  refuse(names, "MASTER_ADDR",
      "the name or address of rank 0's machine, since the ranks are on several machines",
      "nothing; set it for all ranks");
}

void find_store(const Environment& variable, const Names& names, Launch& launch) {
  launch.address = variable("MASTER_ADDR").value_or("");
  if (launch.address.empty()) launch.address = address_of(variable, names, launch);
  if (variable("MASTER_PORT")) {
    launch.port = static_cast<std::uint16_t>(number(variable, names, "MASTER_PORT", 1, 65535));
  } else {
    const auto step = variable("SLURM_STEP_ID");
    launch.port = port_of(variable(names.job).value_or("") + "/" + step.value_or(""));
  }
  launch.served = variable("TORCHELASTIC_USE_AGENT_STORE").value_or("") == "True";
  launch.attempt = variable("TORCHELASTIC_RESTART_COUNT").value_or("0");
}

}  // namespace

std::optional<std::string> process_variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

std::string first_host(const std::string& list) {
  const std::size_t open = list.find_first_of("[,");
  if (open == std::string::npos || list[open] == ',') return list.substr(0, open);
  const std::size_t end = list.find_first_of("-,]", open);
  return list.substr(0, open) + list.substr(open + 1, end - open - 1);
}

Launch read_launch(const Environment& variable) {
  for (const Names& names : kLaunchers) {
    if (!variable(names.rank)) continue;
    if (std::string(names.launcher) == "srun" && !variable(names.size)) continue;
    Launch launch;
    launch.size = number(variable, names, names.size, 1, kMostRanks);
    launch.rank = number(variable, names, names.rank, 0, launch.size - 1);
    if (variable(names.local_rank))
      launch.local_rank = number(variable, names, names.local_rank, 0, launch.rank);
    if (launch.size > 1) find_store(variable, names, launch);
    return launch;
  }
  return {};
}

}  // namespace salf::distributed
