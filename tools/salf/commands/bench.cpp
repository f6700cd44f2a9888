#include "commands/bench.h"

#include <cstdio>

#include "app/bench/bench.h"
#include "core/json.h"
#include "core/log.h"
#include "core/signals.h"
#include "text/bench_table.h"

namespace salf::tools {

int bench_command(const BenchCommandOptions& options, core::Progress& progress) {
  app::Bench bench(options.bench, options.common.force, progress);
  if (!bench.run()) return 128 + core::stop_signal();
  if (options.common.json) {
    core::Json rows = core::Json::array();
    for (const app::BenchRow& row : bench.record().rows) rows.push_back(core::to_json(row));
    std::fputs(core::format_json(rows).c_str(), stdout);
    return 0;
  }
  std::fputs(bench_table(bench.record(), bench.file("losses")).c_str(), stdout);
  std::printf("%s\n", core::printable(bench.file("bench.json").string()).c_str());
  return 0;
}

}  // namespace salf::tools
