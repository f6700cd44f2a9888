#include "train/run/checkpoint.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "core/text.h"

namespace salf::train {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKept = 2;
// What a disk surely writes a second; only used before the first checkpoint was timed.
constexpr double kSlowDiskBytes = 1e8;
const char* const kPrefix = "checkpoint-";
const char* const kSuffix = ".safetensors";

fs::path checkpoint_path(const fs::path& folder, std::int64_t step) {
  char name[64];
  std::snprintf(name, sizeof name, "%s%010lld%s", kPrefix, static_cast<long long>(step), kSuffix);
  return folder / name;
}

// Oldest first: the steps are written with leading zeros.
std::vector<fs::path> checkpoint_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (core::starts_with(name, kPrefix) && core::ends_with(name, kSuffix))
      files.push_back(entry.path());
  }
  if (error)
    throw Error(ErrorKind::kIo, folder.string() + ": cannot be listed: " + error.message());
  std::sort(files.begin(), files.end());
  return files;
}

// Both as one JSON object, "progression".
struct Progression {
  RunState state;
  RunCourse course;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    RunState::fields(self.state, visit);
    RunCourse::fields(self.course, visit);
  }
};

// The caller's options under the names that they have now, in the same order.
Identity with_present_names(Identity identity) {
  const auto options = identity.find("options");
  if (options == identity.end() || !options->is_object()) return identity;
  core::Json renamed = core::Json::object();
  for (const auto& [name, value] : options->items()) {
    renamed[name == "probe" ? "trials" : name == "no_probes" ? "no_trials" : name] = value;
  }
  *options = std::move(renamed);
  return identity;
}

std::string shown(const core::Json& json, const std::string& key) {
  const auto entry = json.find(key);
  return entry == json.end() ? "not set" : entry->dump();
}

}  // namespace

void write_checkpoint(const fs::path& folder, const Checkpoint& checkpoint) {
  core::Json description = core::Json::object();
  description["schema"] = Checkpoint::kSchema;
  description["identity"] = checkpoint.identity;
  description["progression"] = core::to_json(Progression{checkpoint.run.state, checkpoint.course});
  tensor::TensorFile file;
  file.tensors = checkpoint.run.tensors;
  file.metadata["salf"] = description.dump();
  write_tensor_file(checkpoint_path(folder, checkpoint.run.state.step), file);
  const std::vector<fs::path> files = checkpoint_files(folder);
  for (std::size_t i = 0; i + kKept < files.size(); ++i) {
    std::error_code ignored;
    fs::remove(files[i], ignored);
  }
}

std::optional<Checkpoint> read_latest_checkpoint(const fs::path& folder) {
  const std::vector<fs::path> files = checkpoint_files(folder);
  if (files.empty()) return std::nullopt;
  const std::string where = files.back().string();
  tensor::TensorFile file = tensor::read_tensor_file(files.back());
  const auto entry = file.metadata.find("salf");
  if (entry == file.metadata.end()) {
    throw Error(
        ErrorKind::kBadInput, where + ": not a checkpoint of salf (no \"salf\" in its metadata)");
  }
  const core::Json description = core::parse_json(entry->second, where);
  core::check_schema(description, Checkpoint::kSchema, where);
  Checkpoint checkpoint;
  checkpoint.identity = with_present_names(description.value("identity", core::Json::object()));
  Progression progression;
  core::from_json(
      description.value("progression", core::Json::object()), where + ":progression", progression);
  const auto problems = core::range_problems(progression);
  if (!problems.empty())
    throw Error(ErrorKind::kBadInput, where + ": " + core::join(problems, "; "));
  checkpoint.run.state = std::move(progression.state);
  checkpoint.course = std::move(progression.course);
  checkpoint.run.tensors = std::move(file.tensors);
  return checkpoint;
}

std::optional<std::int64_t> latest_checkpoint_step(const fs::path& folder) {
  const std::vector<fs::path> files = checkpoint_files(folder);
  if (files.empty()) return std::nullopt;
  const std::string name = files.back().filename().string();
  return std::strtoll(name.c_str() + std::strlen(kPrefix), nullptr, 10);
}

void remove_checkpoints(const fs::path& folder) {
  for (const auto& path : checkpoint_files(folder)) {
    std::error_code error;
    fs::remove(path, error);
    if (error)
      throw Error(ErrorKind::kIo, path.string() + ": cannot be removed: " + error.message());
  }
}

void check_identity(const Identity& saved, const Identity& present) {
  std::vector<std::string> changes;
  const auto compare = [&](const std::string& key) {
    if (shown(saved, key) != shown(present, key)) {
      changes.push_back(key + " was " + shown(saved, key) + ", is " + shown(present, key));
    }
  };
  for (const auto& entry : saved.items()) compare(entry.key());
  for (const auto& entry : present.items()) {
    if (!saved.contains(entry.key())) compare(entry.key());
  }
  if (changes.empty()) return;
  throw Error(ErrorKind::kUsage,
      "cannot resume: this is not the run that was interrupted: " + core::join(changes, "; ") +
          "; resume with what it was started with, or start anew in another folder");
}

void CheckpointTimer::saved(std::int64_t step, double spent, double took) {
  step_ = step;
  spent_ = spent;
  took_ = took;
}

bool CheckpointTimer::due(std::int64_t step, double spent) const {
  if (step == step_) return false;
  const bool by_steps = options_.checkpoint_steps > 0 && step % options_.checkpoint_steps == 0;
  return by_steps ||
         (options_.checkpoint_seconds > 0.0 && spent - spent_ >= options_.checkpoint_seconds);
}

double CheckpointTimer::seconds(std::int64_t elements) const {
  if (took_ > 0.0) return took_;
  return 4.0 * 4.0 * static_cast<double>(elements) / kSlowDiskBytes;
}

}  // namespace salf::train
