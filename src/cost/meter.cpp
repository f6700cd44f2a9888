#include "cost/meter.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

#include "core/text.h"

namespace salf::cost {
namespace {

namespace fs = std::filesystem;

// The first word or number in the file.
template <class T> std::optional<T> read(const fs::path& path) {
  std::ifstream file(path);
  T value{};
  return file >> value ? std::optional<T>(value) : std::nullopt;
}

// A counter of microjoules that wraps after `range`.
class Domain {
 public:
  static std::optional<Domain> open(const fs::path& folder) {
    const auto now = read<std::uint64_t>(folder / "energy_uj");
    const auto range = read<std::uint64_t>(folder / "max_energy_range_uj");
    if (!now || !range || *range == 0) return std::nullopt;
    return Domain(folder / "energy_uj", *now, *range);
  }

  // False if it could not be read.
  bool update() {
    const auto now = read<std::uint64_t>(file_);
    if (!now) return false;
    const std::uint64_t passed =
        *now >= last_ ? *now - last_ : *now + (range_ - std::min(range_, last_));
    joules_ += 1e-6 * static_cast<double>(passed);
    last_ = *now;
    return true;
  }
  double joules() const { return joules_; }

 private:
  Domain(fs::path file, std::uint64_t last, std::uint64_t range)
      : file_(std::move(file)), last_(last), range_(range) {}

  fs::path file_;
  std::uint64_t last_;
  std::uint64_t range_;
  double joules_ = 0.0;
};

class RaplMeter : public EnergyMeter {
 public:
  RaplMeter(std::vector<Domain> domains, bool memory)
      : domains_(std::move(domains)), memory_(memory) {}

  double joules() override {
    double sum = 0.0;
    for (Domain& domain : domains_) {
      intact_ = domain.update() && intact_;
      sum += domain.joules();
    }
    return sum;
  }
  std::string basis() const override {
    return std::string("processor packages") + (memory_ ? " and memory" : "") +
           " (RAPL), with all else that runs there; not disks, fans or the power supply";
  }
  bool intact() const override { return intact_; }

 private:
  std::vector<Domain> domains_;
  bool memory_;
  bool intact_ = true;
};

class SumMeter : public EnergyMeter {
 public:
  SumMeter(std::unique_ptr<EnergyMeter> first, std::unique_ptr<EnergyMeter> second)
      : first_(std::move(first)), second_(std::move(second)) {}
  double joules() override { return first_->joules() + second_->joules(); }
  std::string basis() const override { return first_->basis() + "; and " + second_->basis(); }
  bool intact() const override { return first_->intact() && second_->intact(); }

 private:
  std::unique_ptr<EnergyMeter> first_, second_;
};

}  // namespace

std::unique_ptr<EnergyMeter> open_rapl(const std::string& root) {
  std::error_code failed;
  std::vector<Domain> domains;
  bool memory = false;
  for (auto entry = fs::directory_iterator(root, failed);
       !failed && entry != fs::directory_iterator(); entry.increment(failed)) {
    if (!core::starts_with(entry->path().filename().string(), "intel-rapl:")) continue;
    // A package includes its "core" and "uncore", "psys" includes the packages; "dram" is separate.
    const std::string name = read<std::string>(entry->path() / "name").value_or("");
    if (!core::starts_with(name, "package-") && name != "dram") continue;
    std::optional<Domain> domain = Domain::open(entry->path());
    // Some of the packages must not pass for all of them.
    if (!domain && name != "dram") return nullptr;
    if (!domain) continue;
    memory = memory || name == "dram";
    domains.push_back(std::move(*domain));
  }
  if (domains.empty()) return nullptr;
  return std::make_unique<RaplMeter>(std::move(domains), memory);
}

std::unique_ptr<EnergyMeter> open_meter(const std::optional<std::int64_t>& gpu, bool processor) {
  std::unique_ptr<EnergyMeter> packages = processor ? open_rapl() : nullptr;
  if (!gpu) return packages;
  std::unique_ptr<EnergyMeter> device = open_nvml(*gpu);
  if (!device || !packages) return device;
  return std::make_unique<SumMeter>(std::move(device), std::move(packages));
}

}  // namespace salf::cost
