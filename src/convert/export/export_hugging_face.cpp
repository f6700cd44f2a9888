#include <ATen/ops/empty.h>
#include <c10/util/accumulate.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "convert/export/export_source.h"
#include "convert/gguf/dequantize.h"
#include "core/clock.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/log.h"
#include "tensor/tensor_file.h"

namespace salf::convert {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMarker = "export.json";

// The type of a name in salf.json.
c10::ScalarType source_type(const std::string& name, const fs::path& folder) {
  for (const c10::ScalarType known : {c10::kFloat, c10::kHalf, c10::kBFloat16}) {
    if (name == dtype_name(known)) return known;
  }
  if (name.empty()) return c10::kFloat;
  refuse_model(folder / "salf.json",
      "dtype: expected F32, F16 or BF16, got '" + core::printable(name) + "'");
}

std::vector<tensor::TensorPlan> plan_tensors(const ExportSource& source, HfDtype dtype) {
  const fs::path folder = source.files.archive.parent_path();
  const c10::ScalarType usual = source_type(source.files.card.dtype, folder);
  std::map<std::string, c10::ScalarType> others;
  for (const model::TensorDtype& other : source.files.card.other_dtypes)
    others.emplace(other.tensor, source_type(other.dtype, folder));
  const auto archived = [&source](const std::string& name) {
    return source.family == nullptr ? source.names.at(name) : name;
  };
  std::vector<tensor::TensorPlan> plans;
  for (const ExpectedTensor& expected : planned_tensors(source.decoder.program)) {
    c10::ScalarType type = usual;
    const auto other = others.find(archived(expected.name));
    if (other != others.end()) type = other->second;
    if (dtype == HfDtype::kF32) type = c10::kFloat;
    if (dtype == HfDtype::kF16) type = c10::kHalf;
    if (dtype == HfDtype::kBF16) type = c10::kBFloat16;
    plans.push_back({expected.name, type, expected.shape});
  }
  return plans;
}

std::int64_t bytes_of(const tensor::TensorPlan& plan) {
  return c10::multiply_integers(plan.shape) *
         static_cast<std::int64_t>(c10::elementSize(plan.type));
}

// One file's tensors.
struct Shard {
  std::string name;
  std::vector<tensor::TensorPlan> plans;
};

std::vector<Shard> make_shards(const std::vector<tensor::TensorPlan>& plans, std::int64_t most) {
  std::vector<Shard> shards(1);
  std::int64_t bytes = 0;
  for (const tensor::TensorPlan& plan : plans) {
    if (!shards.back().plans.empty() && bytes + bytes_of(plan) > most) {
      shards.emplace_back();
      bytes = 0;
    }
    bytes += bytes_of(plan);
    shards.back().plans.push_back(plan);
  }
  if (shards.size() == 1) {
    shards[0].name = kWeightsFile;
    return shards;
  }
  for (std::size_t i = 0; i < shards.size(); ++i) {
    char name[64];
    std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", i + 1, shards.size());
    shards[i].name = name;
  }
  return shards;
}

core::Json index_of(const std::vector<Shard>& shards, const ExportResult& result) {
  core::Json index;
  index["metadata"]["total_parameters"] = result.parameters;
  index["metadata"]["total_size"] = result.bytes;
  std::map<std::string, std::string> places;
  for (const Shard& shard : shards) {
    for (const tensor::TensorPlan& plan : shard.plans) places.emplace(plan.name, shard.name);
  }
  index["weight_map"] = places;
  return index;
}

// The source's config.json with the dtype of most numbers, and with the tie of the head as it is.
core::Json config_of(const ExportSource& source, const std::vector<tensor::TensorPlan>& plans) {
  std::map<c10::ScalarType, std::int64_t> counts;
  for (const tensor::TensorPlan& plan : plans)
    counts[plan.type] += c10::multiply_integers(plan.shape);
  const auto most = std::max_element(counts.begin(), counts.end(),
      [](const auto& a, const auto& b) { return a.second < b.second; });
  core::Json json = source.json;
  const std::string dtype = c10::getDtypeNames(most->first).first;  // "float32"
  const bool older = json.contains("torch_dtype");
  if (older) json["torch_dtype"] = dtype;
  if (!older || json.contains("dtype")) json["dtype"] = dtype;
  if (source.family == nullptr) return json;
  const HfConfig stated(source.json, source.files.config, {plans.size(), false});
  if (source.family->read(stated).config.tied != source.decoder.config.tied)
    json["tie_word_embeddings"] = source.decoder.config.tied;
  return json;
}

at::Tensor encoded(const ExportSource& source, const tensor::TensorPlan& plan) {
  const at::Tensor values = source.tensor(plan.name);
  if (plan.type == c10::kFloat) return values;
  at::Tensor made = at::empty(plan.shape, plan.type);
  encode(*tensor_type(plan.type), values.const_data_ptr<float>(), values.numel(),
      static_cast<std::uint8_t*>(made.mutable_data_ptr()));
  return made;
}

bool is_shard(const std::string& name) {
  return name.size() == std::string("model-00001-of-00002.safetensors").size() &&
         name.compare(0, 6, "model-") == 0 && name.compare(11, 4, "-of-") == 0 &&
         name.compare(20, 12, ".safetensors") == 0;
}

// Files that another export may have left in the folder.
std::vector<std::string> files_of_exports(const fs::path& folder) {
  std::vector<std::string> names = model::side_files();
  names.insert(names.end(), {kWeightsFile, kWeightsIndex});
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (is_shard(name)) names.push_back(name);
  }
  return names;
}

ExportResult describe(const ExportSource& source, const std::vector<tensor::TensorPlan>& plans) {
  ExportResult result;
  result.format = ExportFormat::kHuggingFace;
  result.architecture = source.decoder.config.architecture;
  result.tensors = static_cast<std::int64_t>(plans.size());
  std::set<std::string> dtypes;
  for (const tensor::TensorPlan& plan : plans) {
    result.parameters += c10::multiply_integers(plan.shape);
    result.bytes += bytes_of(plan);
    dtypes.insert(dtype_name(plan.type));
  }
  result.dtypes.assign(dtypes.begin(), dtypes.end());
  result.note =
      std::string("AutoModelForCausalLM.from_pretrained(folder) in transformers makes a ") +
      (source.family == nullptr ? result.architecture : source.family->model_class);
  if (source.files.tokenizer.empty())
    warn(result,
        "the model has no tokenizer: AutoTokenizer.from_pretrained will not work on the export");
  return result;
}

void write_shards(const ExportSource& source, const std::vector<Shard>& shards,
    const ExportResult& result, NewFiles& files, core::Progress& progress) {
  progress.begin("writing tensors", result.tensors, "tensors");
  std::int64_t done = 0;
  std::optional<at::Tensor> written;
  const auto release = [&] {
    if (written) source.archive.release(*written);
    written.reset();
  };
  for (const Shard& shard : shards) {
    tensor::write_tensor_file(files.add(shard.name), shard.plans, {{"format", "pt"}},
        [&](const tensor::TensorPlan& plan) {
          release();  // the one before
          check_stop();
          progress.update(++done, plan.name);
          written = source.stored(plan.name);
          return encoded(source, plan);
        });
    release();
  }
  progress.end();
  if (shards.size() > 1) core::write_json_file(files.add(kWeightsIndex), index_of(shards, result));
}

void copy_side_files(const ExportSource& source, NewFiles& files) {
  for (const std::string& name : model::side_files()) {
    const fs::path from = source.files.archive.parent_path() / name;
    if (name == kConfigFile || !fs::is_regular_file(from)) continue;
    core::write_file_atomically(files.add(name), core::read_file(from));
  }
}

}  // namespace

std::optional<ExportResult> export_hugging_face(const fs::path& path, const fs::path& directory,
    const HfExportOptions& options, core::Progress& progress, bool overwrite) {
  return run_export(path, [&] {
    const core::Stopwatch watch;
    const ExportSource source = open_source_or_trace(path);
    const std::vector<tensor::TensorPlan> plans = plan_tensors(source, options.dtype);
    const std::vector<Shard> shards = make_shards(plans, options.shard_bytes);
    ExportResult result = describe(source, plans);
    result.output = directory.string();
    const core::Json config = config_of(source, plans);
    result.source_hash = core::sha256_file(source.files.archive);

    const core::OutputFolder folder(directory, kMarker, overwrite);
    core::check_room(folder.path(), static_cast<std::uint64_t>(result.bytes) + kOtherBytes);
    NewFiles files(folder.path());
    write_shards(source, shards, result, files, progress);
    copy_side_files(source, files);
    core::write_json_file(files.add(kConfigFile), config);
    result.files.assign(files.names().begin(), files.names().end());
    files.remove_others(files_of_exports(folder.path()));
    result.seconds = watch.seconds();
    core::write_document(files.add(kMarker), result);
    files.finish();
    return result;
  });
}

}  // namespace salf::convert
