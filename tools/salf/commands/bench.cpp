// salf bench: compares the plan with its control arms at equal budget on a virtual clock.
#include "app/bench/bench.h"

#include "app/training/shared_run.h"
#include "command_list.h"
#include "core/signals.h"
#include "text/tables.h"

namespace salf::tools {
namespace {

struct BenchCommandOptions {
  CommonOptions common;
  app::BenchOptions bench;
  RankOptions ranks;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    CommonOptions::fields(self.common, visit);
    app::BenchOptions::fields(self.bench, visit);
    RankOptions::fields(self.ranks, visit);
  }

  std::vector<std::string> problems() const { return bench.problems(); }
};

int run_rank(
    const BenchCommandOptions& options, distributed::Group* ranks, core::Progress& progress) {
  app::Bench bench(options.bench, options.common.force, progress, ranks);
  if (!bench.run()) return 128 + core::stop_signal();
  if (!app::leads(ranks)) return 0;
  const app::BenchRecord& record = bench.record();
  return print_result(options.common, core::to_json(record.rows),
      bench_table(record, bench.file("losses")) +
          core::printable(bench.file("bench.json").string()) + "\n");
}

int run(const BenchCommandOptions& options, core::Progress& progress) {
  return run_on_ranks(options, progress, &run_rank);
}

}  // namespace

Command bench_command() {
  return make_command<BenchCommandOptions>(
      {"bench", "Run the plan and its control arms at equal budget", {"model"},
          "Examples:\n  salf bench smollm2 --data rows.jsonl --arms plan --arms full "
          "--arms half --minutes 2 -o bench\n"
          "  salf bench smollm2 --data rows.jsonl --arms cut:8 --arms lisa:6 --minutes 2 "
          "--seeds 3 -o bench"},
      &run, Processes::kRanks);
}

}  // namespace salf::tools
