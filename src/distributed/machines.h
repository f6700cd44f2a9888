// Which ranks are on one machine, and the largest of what ranks see each for itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace salf::distributed {

class Group;

struct Machines {
  std::int64_t count = 1;
  std::int64_t ranks_here = 1;  // on this rank's machine
  bool first_here = true;       // whether this is the first of them
};

// All ranks. Ranks are on one machine where its name and its start are the same. `part`: what of a
// machine is told apart beside, such as its GPUs; "": nothing. `ranks`: null of one process.
Machines find_machines(Group* ranks, const std::string& part = "");

// The same of machines with these names, by rank. REQUIRES: rank < names.size()
Machines machines_of(const std::vector<std::string>& names, std::size_t rank);

// All ranks: the largest of their values. `ranks`: null of one process.
double greatest(Group* ranks, double own);

}  // namespace salf::distributed
