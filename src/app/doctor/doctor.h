// What salf finds on a machine, and what stands in its way. Nothing is needed for it, and a part
// that cannot be asked only says so.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/fields.h"
#include "cost/meter.h"

namespace salf::app {

struct ProcessorFacts {
  std::string name;
  std::vector<std::string> units;   // of those that matter, what the processor has: "avx2"
  std::string dtype, dtype_reason;  // what --dtype auto means on the CPU
  std::int64_t cores = 0;           // physical ones that the process may use
  std::string group_processors;     // that its control group allows: "1.5"; "": no limit
  std::int64_t threads = 0;         // that salf uses
  std::string threads_reason;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"name"}, self.name);
    visit(Field{"units"}, self.units);
    visit(Field{"dtype"}, self.dtype);
    visit(Field{"dtype_reason"}, self.dtype_reason);
    visit(Field{"cores"}, self.cores);
    visit(Field{"group_processors"}, self.group_processors);
    visit(Field{"threads"}, self.threads);
    visit(Field{"threads_reason"}, self.threads_reason);
  }
};

// Bytes. 0: not known, or no limit.
struct MemoryFacts {
  std::int64_t total = 0, available = 0, swap = 0;  // the machine's
  std::int64_t group_limit = 0;
  std::string group;        // the control group that sets it
  std::string groups;       // "v1", "v2", "": none can be read
  std::int64_t usable = 0;  // what --max-memory is where it is not given

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"total_bytes"}, self.total);
    visit(Field{"available_bytes"}, self.available);
    visit(Field{"swap_bytes"}, self.swap);
    visit(Field{"group_limit_bytes"}, self.group_limit);
    visit(Field{"group"}, self.group);
    visit(Field{"groups"}, self.groups);
    visit(Field{"usable_bytes"}, self.usable);
  }
};

struct TorchFacts {
  std::string version;     // of the library that runs
  std::string built_with;  // of the headers
  std::string path;
  std::string cuda;  // the version that it is built for: "13"; "": none

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"version"}, self.version);
    visit(Field{"built_with"}, self.built_with);
    visit(Field{"path"}, self.path);
    visit(Field{"cuda"}, self.cuda);
  }
};

struct CudaFacts {
  std::string driver;         // version; "": none
  std::int64_t bus_gpus = 0;  // NVIDIA's on the PCI bus
  std::string library;        // "loaded", or why LibTorch's CUDA part does not load
  std::int64_t devices = 0;   // that --device cuda can use
  std::string reason;         // why there is none
  std::string kernels;        // "loaded", or why libsalf_cuda.so's operators cannot run
  std::string nccl;           // "loaded", or why libsalf_nccl.so does not load
  cost::GpuList nvml;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"driver"}, self.driver);
    visit(Field{"bus_gpus"}, self.bus_gpus);
    visit(Field{"library"}, self.library);
    visit(Field{"devices"}, self.devices);
    visit(Field{"reason"}, self.reason);
    visit(Field{"kernels"}, self.kernels);
    visit(Field{"nccl"}, self.nccl);
    visit(Field{"nvml"}, self.nvml);
  }
};

struct FolderFacts {
  std::string purpose;  // "cache"
  std::string path;     // "": the reason says why there is none
  std::int64_t free = 0;
  bool writable = false;
  std::string reason;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"purpose"}, self.purpose);
    visit(Field{"path"}, self.path);
    visit(Field{"free_bytes"}, self.free);
    visit(Field{"writable"}, self.writable);
    visit(Field{"reason"}, self.reason);
  }
};

// A variable that changes what salf does.
struct VariableFacts {
  std::string name, value;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"name"}, self.name);
    visit(Field{"value"}, self.value);
  }
};

struct MachineReport {
  static constexpr const char* kSchema = "salf.doctor/1";

  std::string version;  // of salf
  std::string system;   // "Debian GNU/Linux 12 (bookworm), Linux 6.1.0"
  ProcessorFacts processor;
  MemoryFacts memory;
  TorchFacts torch;
  CudaFacts cuda;
  std::vector<FolderFacts> folders;
  std::vector<VariableFacts> environment;  // those that are set
  std::vector<std::string> problems;       // what to mend, each with how

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"version"}, self.version);
    visit(Field{"system"}, self.system);
    visit(Field{"processor"}, self.processor);
    visit(Field{"memory"}, self.memory);
    visit(Field{"torch"}, self.torch);
    visit(Field{"cuda"}, self.cuda);
    visit(Field{"folders"}, self.folders);
    visit(Field{"environment"}, self.environment);
    visit(Field{"problems"}, self.problems);
  }
};

// `root`: the folder that holds proc, sys, dev and etc. Never throws for what it finds. The parts
// that load a driver's libraries run in processes of their own.
MachineReport examine_machine(const std::filesystem::path& root = "/");

}  // namespace salf::app
