#include "cost/hardware.h"

#include <algorithm>

#include "cost/table.h"

namespace salf::cost {
namespace {

const Device* find(const HardwareTable& table, const std::string& kind, const std::string& name) {
  for (const Device& device : table.devices) {
    if (device.kind == kind && name.find(device.match) != std::string::npos) return &device;
  }
  return nullptr;
}

std::string watts_text(double watts) { return core::format_number(watts, 3) + " W"; }

StatedWatts processor_watts(const HardwareTable& table, const MachineFacts& machine) {
  const auto threads = static_cast<double>(std::max<std::int64_t>(1, machine.threads));
  const std::string share =
      core::format_number(threads) + (machine.threads == 1 ? " thread" : " threads");
  const Device* const known = find(table, "cpu", machine.processor);
  if (known == nullptr || known->threads == 0) {
    return {threads * table.watts_per_thread, share + " at " + watts_text(table.watts_per_thread) +
                                                  " each (" + table.watts_per_thread_source + ")"};
  }
  const double part = std::min(1.0, threads / static_cast<double>(known->threads));
  return {part * known->watts, share + " of the " + core::format_count(known->threads) + " of " +
                                   known->match + ", " + watts_text(known->watts) + " (" +
                                   known->source + ")"};
}

}  // namespace

HardwareTable read_hardware(const std::string& path) {
  HardwareTable table = read_table<HardwareTable>(path, kHardwareText, "built-in hardware table");
  for (std::size_t i = 0; i < table.devices.size(); ++i) {
    const Device& device = table.devices[i];
    const std::string where = (path.empty() ? "built-in hardware table" : core::printable(path)) +
                              ": devices[" + std::to_string(i) + "]";
    if (device.match.empty())
      throw Error(ErrorKind::kBadInput, where + ".match: expected part of a name, got \"\"");
    if (device.kind != "cpu" && device.kind != "gpu") {
      throw Error(ErrorKind::kBadInput,
          where + ".kind: expected cpu or gpu, got \"" + core::printable(device.kind) + "\"");
    }
  }
  return table;
}

StatedWatts stated_watts(const HardwareTable& table, const MachineFacts& machine) {
  StatedWatts stated = processor_watts(table, machine);
  if (machine.gpu.empty()) return stated;
  const Device* const gpu = find(table, "gpu", machine.gpu);
  if (gpu == nullptr) {
    return {0.0, "not known: the hardware table has no \"" + core::printable(machine.gpu) +
                     "\"; --watts says what the machine draws"};
  }
  return {gpu->watts + stated.watts, "the whole GPU " + gpu->match + ", " + watts_text(gpu->watts) +
                                         " (" + gpu->source + "), and " + stated.basis};
}

}  // namespace salf::cost
