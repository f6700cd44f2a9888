#include "app/doctor/doctor.h"

#include <ATen/Version.h>
#include <sys/utsname.h>
#include <torch/version.h>

#include <cstdlib>
#include <fstream>

#include "app/doctor/cuda_facts.h"
#include "app/session/session.h"
#include "app/session/session_checks.h"
#include "app/version.h"
#include "core/files.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/text.h"
#include "tensor/cuda_driver.h"
#include "tensor/device.h"

namespace salf::app {
namespace {

namespace fs = std::filesystem;

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The value of a line such as "flags : fpu vme" or NAME="Debian".
std::string value_of(const fs::path& path, const std::string& name, char separator) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::size_t at = line.find(separator);
    if (at == std::string::npos || core::without_blanks(line.substr(0, at)) != name) continue;
    const std::size_t begin = line.find_first_not_of(" \"", at + 1);
    if (begin == std::string::npos) return "";
    return line.substr(begin, line.find_last_not_of(" \"") + 1 - begin);
  }
  return "";
}

std::string system_name(const fs::path& root) {
  std::string name = value_of(root / "etc/os-release", "PRETTY_NAME", '=');
  utsname kernel{};
  if (::uname(&kernel) == 0)
    name += (name.empty() ? "" : ", ") + std::string(kernel.sysname) + " " + kernel.release;
  return name;
}

ProcessorFacts find_processor(const fs::path& root, const core::GroupLimits& limits) {
  ProcessorFacts facts;
  facts.name = processor_name();
  const std::string flags = " " + value_of(root / "proc/cpuinfo", "flags", ':') + " ";
  for (const char* const unit : {"avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16"}) {
    if (flags.find(" " + std::string(unit) + " ") != std::string::npos)
      facts.units.emplace_back(unit);
  }
  const TypeChoice choice = automatic_type(false);
  facts.dtype = choice.type == c10::kBFloat16 ? "bf16" : "f32";
  facts.dtype_reason = choice.reason;
  facts.cores = tensor::usable_cores();
  if (limits.processors) facts.group_processors = core::format_number(*limits.processors, 3);
  tensor::set_threads(0);
  facts.threads = tensor::threads();
  if (std::getenv("OMP_NUM_THREADS") != nullptr) {
    facts.threads_reason = "OMP_NUM_THREADS";
  } else {
    const bool limited = core::threads_within(limits, facts.cores) < facts.cores;
    facts.threads_reason = limited ? "the control group's processor time" : "as many as cores";
  }
  return facts;
}

MemoryFacts find_memory(const fs::path& root, const core::GroupLimits& limits) {
  const core::HostMemory host = core::host_memory(root);
  const core::UsableMemory usable = core::usable_memory(host, limits);
  MemoryFacts facts;
  facts.total = static_cast<std::int64_t>(host.total);
  facts.available = static_cast<std::int64_t>(host.available);
  facts.swap = static_cast<std::int64_t>(host.swap);
  facts.group_limit = static_cast<std::int64_t>(limits.memory.value_or(0));
  facts.group = limits.memory_group.string();
  facts.groups = limits.version;
  facts.usable = static_cast<std::int64_t>(usable.bytes);
  return facts;
}

// "TORCH_VERSION=2.11.0" among the settings that the library was built with.
std::string running_version() {
  const std::string settings = at::show_config();
  const std::string key = "TORCH_VERSION=";
  const std::size_t at = settings.find(key);
  if (at == std::string::npos) return "";
  const std::size_t begin = at + key.size();
  return settings.substr(begin, settings.find_first_of(", \n", begin) - begin);
}

TorchFacts find_torch() {
  TorchFacts facts;
  facts.built_with = TORCH_VERSION;
  facts.version = running_version();
  facts.path = tensor::torch_library().parent_path().string();
  const int cuda = tensor::torch_cuda_version();
  if (cuda > 0) facts.cuda = std::to_string(cuda);
  return facts;
}

FolderFacts find_folder(const std::string& purpose, const fs::path& path) {
  FolderFacts facts{purpose, path.string(), 0, false, ""};
  try {
    facts.free = static_cast<std::int64_t>(core::free_disk_bytes(path));
    fs::path folder = path;
    std::error_code ignored;
    while (folder.has_relative_path() && !fs::exists(folder, ignored))
      folder = folder.parent_path();
    core::check_room(folder, 0);
    facts.writable = true;
  } catch (const std::exception& error) {
    facts.reason = error.what();
  }
  return facts;
}

std::vector<FolderFacts> find_folders() {
  std::vector<FolderFacts> folders;
  const std::string home = variable("HOME"), given = variable("XDG_CACHE_HOME");
  if (given.empty() && home.empty()) {
    folders.push_back({"cache", "", 0, false, "neither XDG_CACHE_HOME nor HOME is set"});
  } else {
    folders.push_back(find_folder(
        "cache", (given.empty() ? fs::path(home) / ".cache" : fs::path(given)) / "salf"));
  }
  const std::string temporary = variable("TMPDIR");
  folders.push_back(find_folder("temporary", temporary.empty() ? "/tmp" : temporary));
  std::error_code failed;
  const fs::path here = fs::current_path(failed);
  folders.push_back(
      failed ? FolderFacts{"here", "", 0, false, failed.message()} : find_folder("here", here));
  return folders;
}

std::vector<VariableFacts> find_variables() {
  std::vector<VariableFacts> found;
  for (const char* const name :
      {"OMP_NUM_THREADS", "MKL_NUM_THREADS", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA",
          "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "PYTORCH_CUDA_ALLOC_CONF",
          "CUDA_LAUNCH_BLOCKING", "LD_LIBRARY_PATH", "LD_PRELOAD", "XDG_CACHE_HOME", "TMPDIR"}) {
    if (std::getenv(name) != nullptr) found.push_back({name, variable(name)});
  }
  return found;
}

std::vector<std::string> find_problems(const MachineReport& report) {
  std::vector<std::string> problems;
  const TorchFacts& torch = report.torch;
  if (!torch.version.empty() && torch.version != torch.built_with) {
    problems.push_back("LibTorch " + torch.version + " runs, but salf was built with " +
                       torch.built_with + ": build it again, or look at LD_LIBRARY_PATH");
  }
  const CudaFacts& cuda = report.cuda;
  const bool has_gpu = !cuda.driver.empty() || cuda.bus_gpus > 0 || !cuda.nvml.gpus.empty();
  if (cuda.devices == 0 && has_gpu) {
    if (!cuda.reason.empty()) problems.push_back("the GPU cannot be used: " + cuda.reason);
    if (cuda.library != "loaded") problems.push_back("the GPU cannot be used: " + cuda.library);
  }
  if (cuda.devices > 0 && cuda.kernels != "loaded") {
    problems.push_back(
        "on the GPU ATen's operators run instead of salf's, which are faster: " + cuda.kernels);
  }
  if (cuda.devices > 1 && cuda.nccl != "loaded") {
    problems.push_back(
        "what ranks on several GPUs send one another goes through the host's memory: " + cuda.nccl);
  }
  for (const FolderFacts& folder : report.folders) {
    if (!folder.writable) problems.push_back(folder.purpose + " folder: " + folder.reason);
  }
  return problems;
}

}  // namespace

MachineReport examine_machine(const fs::path& root) {
  MachineReport report;
  report.version = kVersion;
  std::vector<std::string> failed;
  const auto part = [&failed](const char* what, const auto& find) {
    try {
      find();
    } catch (const std::exception& error) {
      failed.push_back(std::string(what) + " could not be examined: " + error.what());
    }
  };
  // CUDA comes first: nothing has started threads yet.
  part("CUDA", [&] { report.cuda = find_cuda(root); });
  part("the system", [&] { report.system = system_name(root); });
  const core::GroupLimits limits = core::group_limits(root);
  part("the processor", [&] { report.processor = find_processor(root, limits); });
  part("memory", [&] { report.memory = find_memory(root, limits); });
  part("LibTorch", [&] { report.torch = find_torch(); });
  part("folders", [&] { report.folders = find_folders(); });
  report.environment = find_variables();
  report.problems = find_problems(report);
  report.problems.insert(report.problems.end(), failed.begin(), failed.end());
  return report;
}

}  // namespace salf::app
