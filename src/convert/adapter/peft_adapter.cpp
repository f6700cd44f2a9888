#include "convert/adapter/peft_adapter.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/linalg_svd.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/error.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "model/weights/lora.h"
#include "tensor/shapes.h"
#include "tensor/tensor_file.h"

namespace salf::convert {
namespace {

namespace fs = std::filesystem;
using core::Json;
using model::LinearLayer;
using model::LoraLayer;

constexpr const char* kAdapterConfig = "adapter_config.json";
constexpr const char* kAdapterWeights = "adapter_model.safetensors";
constexpr const char* kBase = "base_model.model.";
constexpr const char* kHash = "salf.base_hash";

// ---- Names

// What stands before transformers' own names: the attribute of a module around the traced model.
std::string wrapper_of(const model::ScriptModel& model) {
  for (const auto& parameter : model.parameters()) {
    std::vector<std::string> names = parameter.aliases;
    names.push_back(parameter.name);
    for (const auto& name : names) {
      for (const std::string head : {"lm_head.weight", "embed_out.weight"}) {
        if (core::ends_with(name, "." + head)) return name.substr(0, name.size() - head.size());
      }
    }
  }
  return "";
}

std::string without_prefix(const std::string& text, const std::string& prefix) {
  return core::starts_with(text, prefix) ? text.substr(prefix.size()) : text;
}

std::string last_component(const std::string& path) { return path.substr(path.rfind('.') + 1); }

// The last component of a layer's path where it is unique in its block, else the path within it.
std::set<std::string> target_modules(
    const std::vector<LoraLayer>& branches, const model::GraphCut& graph) {
  const std::vector<LinearLayer> all = graph.linear_layers();
  std::set<std::string> targets;
  for (const LoraLayer& branch : branches) {
    const std::string last = last_component(branch.layer.module);
    const auto same = std::count_if(all.begin(), all.end(), [&](const LinearLayer& other) {
      return other.block == branch.layer.block && last_component(other.module) == last;
    });
    const std::string block =
        graph.map().container + "." + std::to_string(branch.layer.block) + ".";
    targets.insert(same == 1 ? last : without_prefix(branch.layer.module, block));
  }
  return targets;
}

std::set<std::int64_t> blocks_of(const std::vector<LoraLayer>& branches) {
  std::set<std::int64_t> blocks;
  for (const LoraLayer& branch : branches) blocks.insert(branch.layer.block);
  return blocks;
}

// ---- Reading

[[noreturn]] void refuse_adapter(const fs::path& file, const std::string& problem) {
  throw Error(ErrorKind::kBadInput, core::printable(file.string()) + ": " + problem);
}

double number_of(const Json& config, const char* key, double fallback, const fs::path& file) {
  const Json* const value = core::find_member(config, key);
  if (value == nullptr || value->is_null()) return fallback;
  if (!value->is_number() || !std::isfinite(value->get<double>()))
    refuse_adapter(file, std::string(key) + ": expected a number");
  return value->get<double>();
}

bool is_set(const Json& config, const char* key) {
  const Json* const value = core::find_member(config, key);
  if (value == nullptr || value->is_null()) return false;
  if (value->is_boolean()) return value->get<bool>();
  return !(value->is_structured() && value->empty());
}

// What an adapter began with, where PEFT took that off the base weights.
enum class Start { kOther, kPissa, kOlora };

// CorDA, LoftQ and PiSSA's approximations change the base weights by what an adapter does not say:
// the branches alone are another model.
Start read_start(const Json& config, const fs::path& file) {
  const Json* const start = core::find_member(config, "init_lora_weights");
  if (start == nullptr || start->is_null() || start->is_boolean()) return Start::kOther;
  const std::string name = start->is_string() ? start->get<std::string>() : start->dump();
  if (name == "pissa") return Start::kPissa;
  if (name == "olora") return Start::kOlora;
  for (const char* known : {"gaussian", "eva", "orthogonal"}) {
    if (name == known) return Start::kOther;
  }
  refuse_adapter(file,
      "init_lora_weights is \"" + core::printable(name, 40) +
          "\", which changes the base weights, so that the adapter does not fit them as they are; "
          "merge it with PEFT (PeftModel.from_pretrained, merge_and_unload), or save it again with "
          "save_pretrained(path_initial_model_for_weight_conversion=…), which makes an ordinary "
          "adapter");
}

void check_kind(const Json& config, const fs::path& file) {
  if (!config.is_object()) refuse_adapter(file, "expected an object, as PEFT writes it");
  const Json* const kind = core::find_member(config, "peft_type");
  if (kind == nullptr || *kind != "LORA")
    refuse_adapter(file, "peft_type: expected \"LORA\", the only kind that salf knows");
  for (const char* key : {"use_dora", "use_qalora", "lora_bias", "modules_to_save",
           "trainable_token_indices", "target_parameters", "rank_pattern", "alpha_pattern",
           "megatron_config", "layer_replication", "corda_config", "eva_config",
           "alora_invocation_tokens", "arrow_config"}) {
    if (is_set(config, key))
      refuse_adapter(file,
          std::string(key) +
              " is set, which salf does not support; merge the adapter into its base with PEFT "
              "(PeftModel.from_pretrained, merge_and_unload, save_pretrained), and import that");
  }
  const Json* const bias = core::find_member(config, "bias");
  if (bias != nullptr && *bias != "none") refuse_adapter(file, "bias: only \"none\" is supported");
}

types::LoraSettings read_settings(const Json& config, const fs::path& file) {
  check_kind(config, file);
  types::LoraSettings settings;
  const double rank = number_of(config, "r", 8.0, file);
  if (!(rank >= 1.0 && rank <= 65536.0) || rank != std::floor(rank))
    refuse_adapter(file, "r: expected a whole number from 1 to 65536");
  settings.rank = static_cast<std::int64_t>(rank);
  settings.alpha = number_of(config, "lora_alpha", 8.0, file);
  if (!(settings.alpha > 0.0)) refuse_adapter(file, "lora_alpha: expected a number above 0");
  settings.rank_stabilized = is_set(config, "use_rslora");
  return settings;
}

// A and B of one layer, as they are found.
struct Pair {
  at::Tensor a, b;
};

// By the module's name without PEFT's prefix.
std::map<std::string, Pair> read_pairs(const tensor::TensorFile& file, const fs::path& path) {
  std::map<std::string, Pair> pairs;
  for (const auto& named : file.tensors) {
    std::string name = without_prefix(named.name, kBase);
    const bool is_a = core::ends_with(name, ".lora_A.weight");
    if (!is_a && !core::ends_with(name, ".lora_B.weight")) {
      refuse_adapter(path,
          "tensor " + core::printable(named.name) + " is no lora_A or lora_B of a linear layer");
    }
    name.erase(name.size() - std::string(".lora_A.weight").size());
    (is_a ? pairs[name].a : pairs[name].b) = named.tensor;
  }
  if (pairs.empty()) refuse_adapter(path, "it holds no branches");
  return pairs;
}

LoraLayer fit(const LinearLayer& layer, const Pair& pair, const types::LoraSettings& settings,
    c10::Device device, const fs::path& path) {
  const std::string of_layer = " of " + core::printable(layer.module);
  const auto take = [&](const at::Tensor& tensor, const char* name, std::int64_t rows,
                        std::int64_t columns) {
    if (!tensor.defined()) refuse_adapter(path, name + of_layer + " is missing");
    if (tensor.sizes() != at::IntArrayRef({rows, columns}) || !tensor.is_floating_point()) {
      refuse_adapter(path, name + of_layer + ": expected " + tensor::sizes_text({rows, columns}) +
                               " for this model and the rank in " + kAdapterConfig + ", got " +
                               tensor::shape_text(tensor) + "; was it made for another model?");
    }
    return tensor
        .to(at::TensorOptions(device).dtype(at::kFloat), /*non_blocking=*/false, /*copy=*/true)
        .contiguous();
  };
  const model::LoraScale scale{settings.rank, settings.alpha, settings.rank_stabilized};
  LoraLayer branch{layer, take(pair.a, "lora_A", settings.rank, layer.in),
      take(pair.b, "lora_B", layer.out, settings.rank), scale.factor()};
  if (!std::isfinite(branch.a.abs().sum().item<float>() + branch.b.abs().sum().item<float>()))
    refuse_adapter(path, "the matrices" + of_layer + " are not finite");
  return branch;
}

// PiSSA (Meng et al. 2024, arXiv 2404.02948) and OLoRA (Büyükakyüz 2024, arXiv 2406.01775): PEFT
// takes the first branch s · B0 A0 off the weight W when it loads an adapter: W's R largest
// singular values, or the first R columns of Q and rows of R of W = Q R. The branch becomes one of
// twice the rank that does it beside W: s · [B, -B0] [A; A0].
void take_off_start(
    LoraLayer& branch, Start start, const model::ScriptModel& model, const fs::path& path) {
  const std::int64_t rank = branch.a.size(0);
  if (rank > std::min(branch.layer.in, branch.layer.out)) {
    refuse_adapter(path, "the rank is larger than the matrix of " +
                             core::printable(branch.layer.module) +
                             ", from which such an adapter begins");
  }
  if (start == Start::kOlora && branch.layer.transposed)
    refuse_adapter(path, "init_lora_weights \"olora\" does not fit weights that are transposed");
  const at::NoGradGuard quiet;
  const at::Tensor stored = model.parameter(branch.layer.weight).tensor.to(at::kFloat);
  const at::Tensor weight = branch.layer.transposed ? stored.t() : stored;
  at::Tensor a, b;
  if (start == Start::kPissa) {
    const auto [left, values, right] = at::linalg_svd(weight, /*full_matrices=*/false);
    const at::Tensor root = values.narrow(0, 0, rank).div(branch.scale).sqrt();
    a = right.narrow(0, 0, rank).mul(root.unsqueeze(1));
    b = left.narrow(1, 0, rank).mul(root);
  } else {
    const auto [q, r] = at::linalg_qr(weight);
    a = r.narrow(0, 0, rank);
    b = q.narrow(1, 0, rank);
  }
  branch.a = at::cat({branch.a, a}, 0);
  branch.b = at::cat({branch.b, b.neg()}, 1);
}

}  // namespace

void write_peft_adapter(const fs::path& directory, const model::ScriptModel& model,
    const model::GraphCut& graph, const std::vector<LoraLayer>& branches,
    const types::LoraSettings& settings, const AdapterBase& base) {
  const std::string wrapper = wrapper_of(model);
  tensor::TensorFile file;
  file.metadata = {{"format", "pt"}, {kHash, base.hash}};
  for (const LoraLayer& branch : branches) {
    const std::string name = kBase + without_prefix(branch.layer.module, wrapper);
    file.tensors.push_back({name + ".lora_A.weight", branch.a.detach()});
    file.tensors.push_back({name + ".lora_B.weight", branch.b.detach()});
  }
  Json config;
  config["peft_type"] = "LORA";
  config["task_type"] = "CAUSAL_LM";
  config["base_model_name_or_path"] = base.name;
  config["r"] = settings.rank;
  config["lora_alpha"] = settings.alpha;
  config["use_rslora"] = settings.rank_stabilized;
  config["lora_dropout"] = 0.0;
  config["bias"] = "none";
  config["target_modules"] = target_modules(branches, graph);
  config["layers_to_transform"] = blocks_of(branches);
  config["layers_pattern"] = last_component(graph.map().container);
  config["fan_in_fan_out"] = branches.front().layer.transposed;
  config["inference_mode"] = true;
  tensor::write_tensor_file(directory / kAdapterWeights, file);
  core::write_json_file(directory / kAdapterConfig, config);
}

Adapter read_peft_adapter(
    const fs::path& directory, const model::ScriptModel& model, const model::GraphCut& graph) {
  const fs::path config = directory / kAdapterConfig;
  const fs::path weights = directory / kAdapterWeights;
  if (!fs::exists(config) || !fs::exists(weights)) {
    throw Error(ErrorKind::kIo,
        core::printable(directory.string()) + ": no adapter: it should hold " + kAdapterConfig +
            " and " + kAdapterWeights +
            (fs::exists(directory / "adapter_model.bin")
                    ? "; adapter_model.bin is not read: save it again with safe_serialization=True"
                    : ""));
  }
  Adapter adapter;
  const Json said = core::read_json_file(config);
  adapter.settings = read_settings(said, config);
  const Start start = read_start(said, config);
  adapter.dropout = number_of(said, "lora_dropout", 0.0, config);
  const tensor::TensorFile file = tensor::read_tensor_file(weights);
  if (const auto hash = file.metadata.find(kHash); hash != file.metadata.end())
    adapter.base_hash = hash->second;
  std::map<std::string, Pair> pairs = read_pairs(file, weights);
  const std::string wrapper = wrapper_of(model);
  for (const LinearLayer& layer : graph.linear_layers()) {
    const auto found = pairs.find(without_prefix(layer.module, wrapper));
    if (found == pairs.end()) continue;
    adapter.branches.push_back(
        fit(layer, found->second, adapter.settings, model.device(), weights));
    if (start != Start::kOther) take_off_start(adapter.branches.back(), start, model, weights);
    pairs.erase(found);
  }
  if (!pairs.empty()) {
    refuse_adapter(weights, "the model has no layer called " +
                                core::printable(pairs.begin()->first) + " that could be adapted (" +
                                std::to_string(pairs.size()) +
                                " such layers in all); was it made for another model?");
  }
  if (start != Start::kOther) {
    adapter.settings.rank *= 2;
    adapter.settings.alpha *= adapter.settings.rank_stabilized ? std::sqrt(2.0) : 2.0;
  }
  const auto targets = target_modules(adapter.branches, graph);
  adapter.settings.targets.assign(targets.begin(), targets.end());
  const auto blocks = blocks_of(adapter.branches);
  adapter.settings.blocks = types::BlockRange{*blocks.begin(), *blocks.rbegin()};
  return adapter;
}

bool cancels_weights(const fs::path& directory) {
  const fs::path config = directory / kAdapterConfig;
  return fs::exists(config) && read_start(core::read_json_file(config), config) != Start::kOther;
}

std::string peft_adapter_hash(const fs::path& directory) {
  return core::sha256(core::sha256_file(directory / kAdapterConfig) +
                      core::sha256_file(directory / kAdapterWeights));
}

}  // namespace salf::convert
