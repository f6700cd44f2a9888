#include "distributed/machines.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "distributed/group.h"

namespace salf::distributed {
namespace {

std::string machine_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  std::string start;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> start;
  return std::string(name) + " " + start;
}

}  // namespace

Machines find_machines(Group* ranks, const std::string& part) {
  if (ranks == nullptr) return {};
  return machines_of(
      ranks->all_gather(machine_name() + " " + part), static_cast<std::size_t>(ranks->rank()));
}

Machines machines_of(const std::vector<std::string>& names, std::size_t rank) {
  const std::string& own = names[rank];
  Machines machines;
  machines.count =
      static_cast<std::int64_t>(std::set<std::string>(names.begin(), names.end()).size());
  machines.ranks_here = std::count(names.begin(), names.end(), own);
  machines.first_here = std::find(names.begin(), names.end(), own) - names.begin() ==
                        static_cast<std::ptrdiff_t>(rank);
  return machines;
}

double greatest(Group* ranks, double own) {
  if (ranks == nullptr) return own;
  const std::vector<double> all = ranks->all_gather(std::vector<double>{own});
  return *std::max_element(all.begin(), all.end());
}

}  // namespace salf::distributed
