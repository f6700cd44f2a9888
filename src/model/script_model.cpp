#include "model/script_model.h"

#include <ATen/ops/from_blob.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/tensorexpr_fuser.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <fstream>
#include <map>
#include <streambuf>
#include <unordered_map>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "model/graph/program.h"
#include "model/scan/archive_scan.h"
#include "model/scan/mapped_archive.h"
#include "tensor/device.h"
#include "tensor/mapped_space.h"
#include "tensor/pool.h"

namespace torch::jit {
TORCH_API void setGraphExecutorOptimize(bool optimize);
}

namespace salf::model {

namespace jit = torch::jit;

namespace {

// torch's archive writer ends the process where a write fails (its destructor throws). So what
// comes after a failure is taken and dropped.
class PatientBuffer : public std::streambuf {
 public:
  explicit PatientBuffer(std::streambuf& to) : to_(to) {}
  bool failed() const { return failed_; }

 protected:
  std::streamsize xsputn(const char* bytes, std::streamsize count) override {
    failed_ = failed_ || to_.sputn(bytes, count) != count;
    return count;
  }
  int_type overflow(int_type character) override {
    const char byte = traits_type::to_char_type(character);
    if (!traits_type::eq_int_type(character, traits_type::eof())) xsputn(&byte, 1);
    return traits_type::not_eof(character);
  }

 private:
  std::streambuf& to_;
  bool failed_ = false;
};

// Every graph runs as written: the profiling executor and its fusers take seconds for the first
// steps, and TorchScript's own autodiff is known to give other gradients than eager PyTorch.
void turn_off_graph_optimizer() {
  jit::getProfilingMode() = false;
  jit::setGraphExecutorOptimize(false);
  jit::setTensorExprFuserEnabled(false);
}

std::vector<Parameter> unique_parameters(const jit::Module& module) {
  std::vector<Parameter> parameters;
  std::unordered_map<const void*, std::size_t> seen;
  for (const auto& named : module.named_parameters(/*recurse=*/true)) {
    const auto [entry, fresh] = seen.emplace(named.value.unsafeGetTensorImpl(), parameters.size());
    if (fresh) {
      parameters.push_back({named.name, {}, named.value});
    } else {
      parameters[entry->second].aliases.push_back(named.name);
    }
  }
  return parameters;
}

// Parameters and buffers of a GPU on the host for a while. The GPU keeps its own: nothing has to be
// sent back, and none of its memory is asked for. On the host they lie in nameless files of the
// folder, so that the process holds no second model, and on the heap where the disk has no room.
class OnHost {
 public:
  explicit OnHost(std::filesystem::path folder) : folder_(std::move(folder)) {}
  void move(jit::Module& module) {
    for (const at::Tensor& tensor : module.parameters()) move(tensor);
    for (const at::Tensor& tensor : module.buffers()) move(tensor);
  }
  void move_back() {
    for (Kept& kept : kept_) kept.tensor.set_data(kept.there);
    kept_.clear();
  }

 private:
  struct Kept {
    at::Tensor tensor, there;
  };

  void move(at::Tensor tensor) {
    if (tensor.device().is_cpu()) return;
    const at::Tensor there = tensor.detach();
    tensor.set_data(on_host(there));
    kept_.push_back({tensor, there});
  }

  at::Tensor on_host(const at::Tensor& there) const {
    try {
      const tensor::MappedAllocations in_files(folder_);
      return there.to(c10::kCPU);
    } catch (const Error&) {
      return there.to(c10::kCPU);
    }
  }

  std::filesystem::path folder_;
  std::vector<Kept> kept_;
};

// A file, and by what it is known that it was replaced or written meanwhile.
struct FileState {
  explicit FileState(const std::filesystem::path& file)
      : path(file), size(std::filesystem::file_size(file, ignored)),
        written(std::filesystem::last_write_time(file, ignored)) {}
  bool has_changed() const {
    const FileState now(path);
    return size != now.size || written != now.written;
  }

  std::error_code ignored;
  std::filesystem::path path;
  std::uintmax_t size;
  std::filesystem::file_time_type written;
};

// Small ones are not worth a page of their own.
bool can_lie_in_archive(const at::Tensor& stored, const at::Tensor& loaded) {
  constexpr std::size_t kPage = 4096;
  return stored.scalar_type() == at::kFloat && loaded.scalar_type() == at::kFloat &&
         stored.sizes() == loaded.sizes() && stored.is_contiguous() && loaded.is_contiguous() &&
         loaded.nbytes() >= kPage;
}

}  // namespace

struct ScriptModel::State {
  explicit State(const jit::Module& loaded, c10::Device on)
      : module(loaded), device(on), signature(forward_signature(loaded)),
        parameters(unique_parameters(loaded)),
        whole(copy_forward(loaded), loaded, on, "forward", Operators::kOriginal) {
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      loaded_requires_grad.push_back(parameters[i].tensor.requires_grad());
      by_name[parameters[i].name] = i;
      for (const auto& alias : parameters[i].aliases) by_name[alias] = i;
    }
  }

  jit::Module module;
  c10::Device device;
  ForwardSignature signature;
  std::vector<Parameter> parameters;
  std::map<std::string, std::size_t> by_name;
  std::vector<bool> loaded_requires_grad;
  Program whole;
  std::optional<FileState> archive;  // when it was loaded
  // Of parameters that lie in the archive: how often each had been written before.
  std::map<const void*, std::int64_t> mapped;
};

ScriptModel ScriptModel::load(const std::filesystem::path& archive, c10::Device device,
    bool trusted, const std::filesystem::path& scratch) {
  turn_off_graph_optimizer();
  scan_archive(archive, trusted);
  try {
    std::optional<tensor::MappedAllocations> mapped;
    if (!scratch.empty()) mapped.emplace(scratch);
    FileState before(archive);
    jit::Module module = jit::load(archive.string(), device);
    mapped.reset();
    if (!trusted) scan_program(archive, module);
    module.eval();
    ScriptModel model(module);
    model.state_->device = device;
    model.state_->archive = std::move(before);
    return model;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {  // c10::Error, and the script compiler's own
    throw Error(ErrorKind::kBadModel, core::printable(archive.string()) +
                                          ": not a TorchScript archive that can be loaded: " +
                                          core::printable(tensor::error_text(error)));
  }
}

ScriptModel::ScriptModel(const jit::Module& module) {
  turn_off_graph_optimizer();
  c10::Device device = c10::kCPU;
  for (const at::Tensor& tensor : module.parameters(true)) device = tensor.device();
  state_ = std::make_unique<State>(module, device);
}

ScriptModel::~ScriptModel() = default;
ScriptModel::ScriptModel(ScriptModel&&) noexcept = default;
ScriptModel& ScriptModel::operator=(ScriptModel&&) noexcept = default;

void ScriptModel::map_weights() {
  if (!state_->archive || !state_->device.is_cpu()) return;
  std::shared_ptr<const MappedArchive> mapped;
  try {
    mapped = std::make_shared<MappedArchive>(state_->archive->path, core::MapAccess::kReadAndWrite);
  } catch (const Error& error) {
    core::log_debug(std::string("weights stay in memory: ") + error.what());
    return;
  }
  if (state_->archive->has_changed()) return;
  for (const Parameter& parameter : state_->parameters) {
    const auto found = mapped->tensors().find(parameter.name);
    at::Tensor tensor = parameter.tensor;
    if (found == mapped->tensors().end() || !can_lie_in_archive(found->second, tensor)) continue;
    void* const place = const_cast<void*>(found->second.const_data_ptr());
    tensor.set_data(at::from_blob(
        place, tensor.sizes(), [mapped](void*) {}, tensor.options().requires_grad(false)));
    state_->mapped[place] = tensor._version();
  }
  tensor::trim_memory();
}

bool ScriptModel::lies_in_archive(const Parameter& parameter) const {
  const auto found = state_->mapped.find(parameter.tensor.const_data_ptr());
  return found != state_->mapped.end() && found->second == parameter.tensor._version();
}

at::Tensor ScriptModel::forward(const tensor::Batch& batch) const {
  auto outputs = state_->whole.run(forward_arguments(state_->signature, batch, state_->device));
  return pick_logits(outputs.at(0), batch);
}

const std::vector<Parameter>& ScriptModel::parameters() const { return state_->parameters; }

const Parameter* ScriptModel::find_parameter(const std::string& name) const {
  const auto found = state_->by_name.find(name);
  return found == state_->by_name.end() ? nullptr : &state_->parameters[found->second];
}

const Parameter& ScriptModel::parameter(const std::string& name) const {
  if (const Parameter* found = find_parameter(name)) return *found;
  throw Error(ErrorKind::kInternal, "no parameter is called '" + name + "'");
}

std::int64_t ScriptModel::parameter_count() const {
  std::int64_t count = 0;
  for (const auto& parameter : state_->parameters) count += parameter.tensor.numel();
  return count;
}

void ScriptModel::save(const std::filesystem::path& archive) const {
  core::AtomicFile file(archive);
  std::vector<bool> present;
  for (std::size_t i = 0; i < state_->parameters.size(); ++i) {
    at::Tensor tensor = state_->parameters[i].tensor;
    present.push_back(tensor.requires_grad());
    tensor.requires_grad_(state_->loaded_requires_grad[i]);
  }
  jit::Module module = state_->module;
  OnHost on_host(archive.parent_path());
  bool written = false;
  std::string reason;
  try {
    if (!state_->device.is_cpu()) on_host.move(module);
    // A stream, not a file name: the archive's inner folder would carry the temporary name.
    std::ofstream to(file.temporary_path(), std::ios::binary);
    PatientBuffer patient(*to.rdbuf());
    std::ostream out(&patient);
    module.save(out);
    to.close();
    written = to.good() && !patient.failed();
  } catch (const c10::Error& error) {
    reason = ": " + tensor::error_text(error);
  }
  on_host.move_back();
  for (std::size_t i = 0; i < state_->parameters.size(); ++i) {
    at::Tensor tensor = state_->parameters[i].tensor;
    tensor.requires_grad_(present[i]);
  }
  if (!written) {
    throw Error(
        ErrorKind::kIo, archive.string() + ": cannot be written" + reason + "; is the disk full?");
  }
  file.commit();
}

c10::Device ScriptModel::device() const { return state_->device; }
bool ScriptModel::takes_mask() const { return state_->signature.mask.has_value(); }
bool ScriptModel::mask_optional() const { return state_->signature.mask_optional; }
const jit::Module& ScriptModel::module() const { return state_->module; }

}  // namespace salf::model
