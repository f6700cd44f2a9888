// Commands that several ranks share, and those that want one process.
#pragma once

#include <functional>

#include "core/fields.h"
#include "core/progress.h"
#include "distributed/group.h"

namespace salf::tools {

struct RankOptions {
  double rank_timeout = 60.0;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    core::begin_group(visit, "Ranks (torchrun, mpirun, srun)");
    visit(Field{"rank_timeout",
              "seconds without a sign of life after which a rank has failed, and within which all "
              "must have started"}
              .range(0.1, 1e6),
        self.rank_timeout);
  }
};

// Runs the body on the ranks that a launcher started; all end with one exit code. Of several, the
// first alone shows progress and notes, and where one fails, the others throw its error. The group
// is null of one process.
using RankBody = std::function<int(distributed::Group*, core::Progress&)>;
int run_on_ranks(const RankOptions& options, core::Progress& progress, const RankBody& body);
// The same of a command's options, which have `ranks`.
template <class Options> int run_on_ranks(const Options& options, core::Progress& progress,
    int (*run_rank)(const Options&, distributed::Group*, core::Progress&)) {
  return run_on_ranks(
      options.ranks, progress, [&](distributed::Group* ranks, core::Progress& shown) {
        return run_rank(options, ranks, shown);
      });
}

// Throws Error(kUsage) where a launcher started several ranks of this command, which knows none.
void refuse_ranks(const std::string& command);

}  // namespace salf::tools
