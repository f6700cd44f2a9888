#include "ranks.h"

#include <exception>

#include "core/error.h"
#include "core/log.h"
#include "distributed/launch.h"
#include "tensor/device.h"

namespace salf::tools {
namespace {

// Tells the other ranks that this one gets on, and shows progress on the first.
class RankProgress : public core::Progress {
 public:
  RankProgress(distributed::Group& ranks, core::Progress& shown) : ranks_(ranks), shown_(shown) {}
  void begin(const std::string& what, std::int64_t total, const std::string& unit) override {
    ranks_.works();
    if (ranks_.leads()) shown_.begin(what, total, unit);
  }
  void update(std::int64_t done, const std::string& note) override {
    ranks_.works();
    if (ranks_.leads()) shown_.update(done, note);
  }
  void end() override {
    if (ranks_.leads()) shown_.end();
  }

 private:
  distributed::Group& ranks_;
  core::Progress& shown_;
};

// Tells the other ranks why this one fails.
int run_body(distributed::Group& ranks, core::Progress& progress, const RankBody& body) {
  try {
    const int code = body(&ranks, progress);
    ranks.barrier();
    return code;
  } catch (const Error& error) {
    ranks.fail(error.exit_code(), error.what());
    throw;
  } catch (const std::exception& error) {
    const auto memory = tensor::out_of_memory(error);
    const auto kind = memory ? memory->kind() : ErrorKind::kInternal;
    ranks.fail(static_cast<int>(kind), memory ? memory->what() : error.what());
    throw;
  }
}

}  // namespace

int run_on_ranks(const RankOptions& options, core::Progress& progress, const RankBody& body) {
  const distributed::Launch launch = distributed::read_launch();
  if (launch.size == 1) return body(nullptr, progress);
  if (launch.rank > 0) {
    core::set_log_name("rank " + std::to_string(launch.rank));
    core::set_log_level(core::LogLevel::kWarning);
  }
  distributed::Group ranks(launch, options.rank_timeout);
  RankProgress seen(ranks, progress);
  return run_body(ranks, seen, body);
}

void refuse_ranks(const std::string& command) {
  std::int64_t size = 1;
  try {
    size = distributed::read_launch().size;
  } catch (const Error&) {
    return;  // the variables are of something else
  }
  if (size == 1) return;
  throw Error(ErrorKind::kUsage,
      "salf " + command + " works in one process, and a launcher started " + std::to_string(size) +
          " ranks of it: start it without torchrun, mpirun or srun (analyze, plan, train, trial, "
          "bench and eval share their work among ranks)");
}

}  // namespace salf::tools
