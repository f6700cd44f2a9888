#include "app/doctor/cuda_facts.h"

#include "core/apart.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "distributed/nccl.h"
#include "ops/device_operators.h"
#include "tensor/cuda_driver.h"
#include "tensor/device.h"

namespace salf::app {
namespace {

constexpr const char* kLoaded = "loaded";
constexpr double kSeconds = 60.0;  // a driver that starts, and libraries from a slow disk

// With a trial where there is a GPU.
std::string kernels_state() {
  const bool gpu = tensor::load_cuda_part().empty() && tensor::gpu_count() > 0;
  const ops::DeviceLibrary& library =
      gpu ? ops::device_library(c10::Device(c10::kCUDA, 0)) : ops::device_library();
  if (library.kernels != nullptr) return kLoaded;
  const std::string name = "libsalf_cuda.so";
  if (!core::starts_with(library.problem, name + ": cannot open")) return library.problem;
  return name +
         " is not installed; it is built where there is nvcc, which tools/setup --cuda fetches";
}

// Fills `facts` with what `ask` finds out in a process of its own. Returns "" or why it did not.
template <class Facts, class Ask> std::string ask_apart(Facts& facts, const Ask& ask) {
  const core::ApartResult answer = core::run_apart(
      [&ask] {
        Facts found;
        ask(found);
        return core::format_json(core::to_json(found));
      },
      kSeconds);
  if (!answer.problem.empty()) return "asking it failed: " + core::printable(answer.problem);
  core::from_json(core::parse_json(answer.text, "the answer"), "the answer", facts);
  return "";
}

void ask_libtorch(CudaFacts& facts) {
  facts.library = tensor::load_cuda_part();
  const std::string& problem = distributed::nccl_library().problem;
  facts.nccl = problem.empty() ? kLoaded : problem;
  if (!facts.library.empty()) return;
  facts.library = kLoaded;
  facts.devices = tensor::gpu_count();
  if (facts.devices == 0) facts.reason = tensor::why_no_cuda();
}

}  // namespace

CudaFacts find_cuda(const std::filesystem::path& root) {
  CudaFacts facts;
  const std::string failed = ask_apart(facts, ask_libtorch);
  if (!failed.empty()) facts.library = facts.nccl = failed;
  CudaFacts kernels;
  const std::string no_kernels =
      ask_apart(kernels, [](CudaFacts& found) { found.kernels = kernels_state(); });
  facts.kernels = no_kernels.empty() ? kernels.kernels : no_kernels;
  const std::string no_nvml =
      ask_apart(facts.nvml, [](cost::GpuList& found) { found = cost::list_gpus(); });
  if (!no_nvml.empty()) facts.nvml.problem = no_nvml;
  const tensor::DriverFacts driver = tensor::driver_facts(root);
  facts.bus_gpus = driver.gpus;
  facts.driver = driver.version.empty() ? facts.nvml.driver : driver.version;
  if (facts.devices > 0) return facts;
  // The driver explains what the libraries only notice.
  const std::string problem = tensor::driver_problem(driver, tensor::torch_cuda_version());
  if (!problem.empty()) facts.reason = problem;
  return facts;
}

}  // namespace salf::app
