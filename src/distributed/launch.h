// Which rank this process is, as its launcher's environment says: torchrun's, Open MPI's, SLURM's
// or PMI's (MPICH, Intel MPI). A process that none of them started is the only rank.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace salf::distributed {

struct Launch {
  std::int64_t rank = 0;
  std::int64_t size = 1;
  std::int64_t local_rank = 0;  // on this machine
  std::string address{};        // of the ranks' common store, on rank 0's machine
  std::uint16_t port = 0;
  bool served = false;        // the launcher runs the store: rank 0 does not
  std::string attempt = "0";  // what tells the ranks of a restart from those before it
};

// The value of an environment variable; nothing where it is not set.
using Environment = std::function<std::optional<std::string>(const char* name)>;
std::optional<std::string> process_variable(const char* name);

// Throws Error(kUsage) that names the variable, where one is missing or makes no sense.
Launch read_launch(const Environment& variable = process_variable);

// The first host of a SLURM list: "node[07-09,12],other" → "node07".
std::string first_host(const std::string& list);

}  // namespace salf::distributed
