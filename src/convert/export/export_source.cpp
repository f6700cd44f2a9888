#include "convert/export/export_source.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "convert/gguf/dequantize.h"
#include "core/clock.h"
#include "core/files.h"
#include "core/log.h"
#include "tensor/shapes.h"

namespace salf::convert {
namespace {

namespace fs = std::filesystem;

// Constants that went through float32 in another tool's file.
constexpr double kTolerance = 1e-5;

[[noreturn]] void refuse_foreign(const model::ModelFiles& files, const std::string& problem) {
  refuse_model(files.archive, problem +
                                  "; --to hf and gguf need a model that salf import made (--to "
                                  "hf also one of tools/trace-hf), or a run of one; use --to "
                                  "torchscript");
}

core::Json read_config(const model::ModelFiles& files) {
  if (files.config.empty())
    refuse_foreign(files, "there is no config.json beside it, so its architecture is not known");
  return read_model_part([&] { return core::read_json_file(files.config); });
}

// Imported programs have class names __torch__.salf.MODEL_TYPE.*.
void check_class(
    const model::ModelFiles& files, const model::MappedArchive& archive, const Family& family) {
  const std::string own = "__torch__.salf.";
  const std::string& name = archive.class_name();
  if (name.compare(0, own.size(), own) != 0)
    refuse_foreign(
        files, "its program (" + core::printable(name) + ") is not one that salf import writes");
  const std::string expected = own + family.model_type + ".";
  if (name.compare(0, expected.size(), expected) == 0) return;
  refuse_model(files.config, std::string("model_type is ") + family.model_type +
                                 ", but model.pt holds " + core::printable(name) +
                                 "; take the config.json that was imported with it");
}

CheckpointFacts facts_of(const model::MappedArchive& archive, const Family& family) {
  const auto& tensors = archive.tensors();
  const auto head = tensors.find(kHeadWeight);
  const auto embedding = tensors.find(family.embedding);
  const bool both = head != tensors.end() && embedding != tensors.end();
  return {
      tensors.size(), both && head->second.const_data_ptr() != embedding->second.const_data_ptr()};
}

bool is_close(double a, double b) {
  return std::abs(a - b) <= kTolerance * std::max(std::abs(a), std::abs(b));
}

bool same_constant(const model::ArchiveConstant& found, const model::ArchiveConstant& planned) {
  if (found.index() != planned.index()) return false;
  if (const auto* number = std::get_if<double>(&planned))
    return is_close(std::get<double>(found), *number);
  if (const auto* list = std::get_if<std::vector<double>>(&planned)) {
    const auto& other = std::get<std::vector<double>>(found);
    return std::equal(list->begin(), list->end(), other.begin(), other.end(), is_close);
  }
  return found == planned;
}

// What a stored tensor cannot be exported for; "" for none.
std::string problem_of(const at::Tensor& tensor) {
  const c10::ScalarType type = tensor.scalar_type();
  if (type != c10::kFloat && type != c10::kHalf && type != c10::kBFloat16)
    return std::string("holds ") + c10::toString(type) + ", expected floating-point numbers";
  // Strides of 0 could make a tensor of any size out of one number.
  return tensor.nbytes() > tensor.storage().nbytes() ? "is larger than what is stored of it" : "";
}

// Walks over the plan and collects where the archive differs from it.
class Comparison {
 public:
  explicit Comparison(const model::MappedArchive& archive) : archive_(archive) {}

  std::vector<std::string> problems(const ModulePlan& program) {
    compare(program, "");
    for (const auto& [name, tensor] : archive_.tensors()) {
      if (planned_.count(name) == 0)
        add("tensor '" + core::printable(name) + "' is not part of it");
    }
    return std::move(problems_);
  }

 private:
  void add(std::string problem) { problems_.push_back(std::move(problem)); }

  void compare(const ModulePlan& plan, const std::string& prefix) {
    for (const PlannedParameter& parameter : plan.parameters)
      compare(parameter, prefix + parameter.name);
    for (const PlannedAttribute& attribute : plan.attributes) {
      const auto found = archive_.constants().find(prefix + attribute.name);
      if (found == archive_.constants().end() || !same_constant(found->second, attribute.value))
        add("the constant " + prefix + attribute.name + " is another one");
    }
    for (const ModulePlan& child : plan.children) compare(child, prefix + child.member + ".");
  }

  void compare(const PlannedParameter& parameter, const std::string& name) {
    planned_.insert(name);
    const auto found = archive_.tensors().find(name);
    if (found == archive_.tensors().end()) return add("tensor '" + name + "' is missing");
    const at::Tensor& tensor = found->second;
    if (tensor.sizes() != parameter.shape) {
      return add("tensor '" + name + "': expected " + tensor::sizes_text(parameter.shape) +
                 ", got " + tensor::sizes_text(tensor.sizes()));
    }
    if (const std::string problem = problem_of(tensor); !problem.empty())
      return add("tensor '" + name + "' " + problem);
    if (parameter.tied_to.empty()) return;
    const auto other = archive_.tensors().find(parameter.tied_to);
    if (other == archive_.tensors().end() ||
        other->second.const_data_ptr() != tensor.const_data_ptr())
      add("tensor '" + name + "' is not tied to '" + parameter.tied_to + "'");
  }

  const model::MappedArchive& archive_;
  std::set<std::string> planned_;
  std::vector<std::string> problems_;
};

void check_program(
    const model::ModelFiles& files, const model::MappedArchive& archive, const Decoder& decoder) {
  const std::vector<std::string> problems = Comparison(archive).problems(decoder.program);
  if (problems.empty()) return;
  refuse_model(files.archive,
      "does not hold the model that config.json describes: " + list_problems(problems));
}

ExportSource open_imported(model::ModelFiles files) {
  core::Json json = read_config(files);
  model::MappedArchive archive(files.archive);
  const Family& family = find_family(HfConfig(json, files.config, {}));
  check_class(files, archive, family);
  HfConfig config(json, files.config, facts_of(archive, family));
  Decoder decoder = family.read(config);
  check_program(files, archive, decoder);
  return {std::move(files), std::move(json), std::move(config), &family, std::move(decoder),
      std::move(archive), {}};
}

// A trace knows its tensors by salf.json alone.
ExportSource open_trace(model::ModelFiles files) {
  core::Json json = read_config(files);
  model::MappedArchive archive(files.archive);
  HfConfig config(json, files.config, {});
  ExportSource source{
      std::move(files), std::move(json), std::move(config), nullptr, {}, std::move(archive), {}};
  const model::ModelCard& card = source.files.card;
  source.decoder.config.architecture = card.architecture;
  std::vector<std::string> problems;
  for (const model::TensorName& named : card.names) {
    const auto found = source.archive.tensors().find(named.tensor);
    if (found == source.archive.tensors().end()) {
      problems.push_back("tensor '" + core::printable(named.tensor) + "' is missing");
    } else if (const std::string problem = problem_of(found->second); !problem.empty()) {
      problems.push_back("tensor '" + core::printable(named.tensor) + "' " + problem);
    } else if (!source.names.emplace(named.name, named.tensor).second) {
      problems.push_back("two tensors are called '" + core::printable(named.name) + "'");
    } else {
      source.decoder.program.parameters.push_back({named.name, found->second.sizes().vec(), ""});
    }
  }
  if (!problems.empty())
    refuse_model(
        source.files.archive, "does not hold what salf.json lists: " + list_problems(problems));
  return source;
}

}  // namespace

const at::Tensor& ExportSource::stored(const std::string& name) const {
  return archive.tensors().at(family == nullptr ? names.at(name) : name);
}

at::Tensor ExportSource::tensor(const std::string& name) const {
  return stored(name).detach().to(c10::kFloat).contiguous();
}

ExportSource open_export_source(const fs::path& path) {
  return open_imported(model::find_model(path, ""));
}

ExportSource open_source_or_trace(const fs::path& path) {
  model::ModelFiles files = model::find_model(path, "");
  return files.card.names.empty() ? open_imported(std::move(files)) : open_trace(std::move(files));
}

std::optional<ExportResult> run_export(
    const std::filesystem::path& source, const std::function<ExportResult()>& exporter) {
  const core::Stopwatch watch;
  std::optional<ExportResult> result = run_unless_stopped(source, "the export", exporter);
  if (result) result->seconds = watch.seconds();
  return result;
}

void check_export_file(const std::filesystem::path& file, const ExportFile& kind,
    const std::filesystem::path& archive, bool overwrite, ExportResult& result) {
  core::check_output_file(file, kind.what, kind.example, overwrite, [&] {
    std::error_code error;
    if (std::filesystem::equivalent(file, archive, error)) {
      throw Error(ErrorKind::kUsage,
          core::printable_path(file) + ": is the model itself; give another --output");
    }
    return core::begins_with(file, kind.magic);
  });
  result.output = file.string();
  result.files = {file.filename().string()};
}

std::string dtype_name(c10::ScalarType type) {
  const auto known = tensor_type(type);
  return known ? tensor_type_name(*known) : c10::toString(type);
}

void warn(ExportResult& result, const std::string& warning) {
  core::log_warning(warning);
  result.warnings.push_back(warning);
}

}  // namespace salf::convert
