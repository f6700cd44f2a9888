#include "text/doctor_text.h"

#include <algorithm>

#include "core/log.h"
#include "core/text.h"

namespace salf::tools {
namespace {

constexpr std::size_t kLongest = 4096;  // bytes of a value that are shown

// Rows of a name and a value that goes on below itself.
class Rows {
 public:
  explicit Rows(const TextStyle& style) : width_(std::max<std::size_t>(style.width, 40)) {}

  void add(const std::string& name, const std::string& value) {
    std::string shown = name;
    for (const std::string& line : wrapped(core::printable(value, kLongest), width_ - kNameWidth)) {
      text_ += named(shown, line);
      shown.clear();
    }
  }
  // A paragraph that begins with "- ".
  void add_item(const std::string& value) {
    std::string mark = "- ";
    for (const std::string& line :
        wrapped(core::printable(value, kLongest), width_ - mark.size())) {
      text_ += mark + line + "\n";
      mark = "  ";
    }
  }
  void add_heading(const std::string& line) { text_ += line; }
  const std::string& text() const { return text_; }

 private:
  std::size_t width_;
  std::string text_;
};

std::string doctor_bytes(std::int64_t bytes) {
  return core::format_bytes(static_cast<std::uint64_t>(std::max<std::int64_t>(bytes, 0)));
}

std::string count_text(std::int64_t count, const char* one) {
  return core::format_count(count) + " " + one + (count == 1 ? "" : "s");
}

void add_processor(const app::ProcessorFacts& facts, Rows& rows) {
  rows.add("processor", facts.name + ", " + count_text(facts.cores, "core"));
  rows.add("units",
      facts.units.empty() ? "none that salf has kernels for" : core::join(facts.units, " "));
  rows.add("--dtype auto", facts.dtype + ": " + facts.dtype_reason);
  std::string limit;
  if (!facts.group_processors.empty())
    limit = "; the control group allows the time of " + facts.group_processors + " processors";
  rows.add("threads", std::to_string(facts.threads) + " (" + facts.threads_reason + ")" + limit);
}

void add_memory(const app::MemoryFacts& facts, Rows& rows) {
  if (facts.usable == 0) return rows.add("memory", "not known");
  std::string text = doctor_bytes(facts.total) + ", " + doctor_bytes(facts.available) + " free";
  if (facts.swap > 0) text += ", swap " + doctor_bytes(facts.swap);
  rows.add("memory", text);
  if (facts.group_limit > 0) {
    rows.add("control group", doctor_bytes(facts.group_limit) + " allowed, by " + facts.group);
  } else {
    rows.add("control group", facts.groups.empty()
                                  ? "none can be read"
                                  : "no limit of memory (cgroup " + facts.groups + ")");
  }
  rows.add("--max-memory", doctor_bytes(facts.usable) + " where it is not given");
}

void add_torch(const app::TorchFacts& facts, const app::CudaFacts& cuda, Rows& rows) {
  const std::string built =
      facts.version == facts.built_with ? "" : ", salf was built with " + facts.built_with;
  rows.add("LibTorch", (facts.version.empty() ? "version not known" : facts.version) + built +
                           (facts.cuda.empty() ? "; without CUDA" : "; for CUDA " + facts.cuda));
  rows.add("", facts.path);
  rows.add("its CUDA part", cuda.library);
}

void add_cuda(const app::CudaFacts& facts, Rows& rows) {
  rows.add("NVIDIA driver", facts.driver.empty() ? "none" : facts.driver);
  for (const cost::Gpu& gpu : facts.nvml.gpus) {
    std::string text = gpu.name.empty() ? "a GPU that tells no name" : gpu.name;
    if (gpu.memory_bytes > 0)
      text += ", " + doctor_bytes(gpu.memory_bytes) + ", " + doctor_bytes(gpu.free_bytes) + " free";
    if (!gpu.compute.empty()) text += ", compute capability " + gpu.compute;
    rows.add("GPU", text + (gpu.uuid.empty() ? "" : ", " + gpu.uuid));
  }
  if (facts.nvml.gpus.empty() && facts.bus_gpus > 0)
    rows.add("GPU", std::to_string(facts.bus_gpus) + " of NVIDIA's on the PCI bus");
  if (!facts.driver.empty() && !facts.nvml.problem.empty()) rows.add("NVML", facts.nvml.problem);
  rows.add("--device cuda",
      facts.devices > 0
          ? count_text(facts.devices, "GPU")
          : "cannot be used: " + (facts.reason.empty() ? facts.library : facts.reason));
  rows.add("its kernels", facts.kernels == "loaded" ? "libsalf_cuda.so loads" : facts.kernels);
  if (facts.library == "loaded")
    rows.add("between GPUs", facts.nccl == "loaded" ? "libsalf_nccl.so loads" : facts.nccl);
}

void add_folder(const app::FolderFacts& folder, Rows& rows) {
  std::string text = folder.path;
  if (folder.free > 0) text += (text.empty() ? "" : ", ") + doctor_bytes(folder.free) + " free";
  if (!folder.writable) text += (text.empty() ? "" : ", ") + ("not writable: " + folder.reason);
  rows.add(folder.purpose, text);
}

}  // namespace

std::string doctor_text(const app::MachineReport& report, const TextStyle& style) {
  Rows rows(style);
  rows.add("salf", report.version);
  rows.add("system", report.system);
  add_processor(report.processor, rows);
  add_memory(report.memory, rows);
  add_torch(report.torch, report.cuda, rows);
  add_cuda(report.cuda, rows);
  rows.add_heading(heading("folders", style));
  for (const app::FolderFacts& folder : report.folders) add_folder(folder, rows);
  if (!report.environment.empty()) rows.add_heading(heading("environment", style));
  for (const app::VariableFacts& variable : report.environment)
    rows.add_item(variable.name + "=" + variable.value);
  if (report.problems.empty()) return rows.text() + "\nnothing is wrong\n";
  rows.add_heading(heading("to mend", style));
  for (const std::string& problem : report.problems) rows.add_item(problem);
  return rows.text();
}

}  // namespace salf::tools
