#include "model/weights/lora.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"

namespace salf::model {
namespace {

constexpr const char* kEverything = "all-linear";
constexpr const char* kA = ".lora_A";
constexpr const char* kB = ".lora_B";

std::string last_components(const std::vector<LinearLayer>& layers) {
  std::set<std::string> names;
  for (const LinearLayer& layer : layers)
    names.insert(layer.module.substr(layer.module.rfind('.') + 1));
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + core::printable(name);
  return text;
}

}  // namespace

double LoraScale::factor() const {
  const auto size = static_cast<double>(rank);
  return alpha / (rank_stabilized ? std::sqrt(size) : size);
}

std::vector<LoraLayer> make_lora(const ScriptModel& model, const std::vector<LinearLayer>& layers,
    const LoraScale& scale, std::uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  std::vector<LoraLayer> made;
  for (const LinearLayer& layer : layers) {
    if (scale.rank > std::min(layer.in, layer.out)) {
      throw Error(ErrorKind::kUsage,
          "a rank of " + std::to_string(scale.rank) + " is larger than the matrix of " +
              core::printable(layer.module) + ", [" + std::to_string(layer.out) + ", " +
              std::to_string(layer.in) + "]: the rank of LoRA is to be small, 8 to 64 say");
    }
    const at::TensorOptions options =
        at::TensorOptions(at::kFloat).device(model.parameter(layer.weight).tensor.device());
    const double bound = 1.0 / std::sqrt(static_cast<double>(layer.in));
    const at::Tensor a =
        at::rand({scale.rank, layer.in}, generator, at::kFloat).mul_(2.0 * bound).sub_(bound);
    made.push_back({layer, a.to(options.device()), at::zeros({layer.out, scale.rank}, options),
        scale.factor()});
  }
  return made;
}

std::vector<LinearLayer> choose_layers(
    const std::vector<LinearLayer>& layers, const std::vector<std::string>& targets) {
  std::vector<bool> chosen(layers.size(), false);
  for (const std::string& target : targets) {
    bool found = false;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      if (target != kEverything && !core::ends_with("." + layers[i].module, "." + target)) continue;
      chosen[i] = found = true;
    }
    if (found) continue;
    throw Error(ErrorKind::kUsage,
        "no layer of the tuned blocks is called '" + core::printable(target) +
            "'; there are: " + last_components(layers) + ", or " + kEverything + " for all");
  }
  std::vector<LinearLayer> wanted;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (chosen[i]) wanted.push_back(layers[i]);
  }
  return wanted;
}

std::vector<Parameter> lora_parameters(const std::vector<LoraLayer>& layers) {
  std::vector<Parameter> parameters;
  for (const LoraLayer& branch : layers) {
    parameters.push_back({branch.layer.module + kA, {}, branch.a});
    parameters.push_back({branch.layer.module + kB, {}, branch.b});
  }
  return parameters;
}

bool is_lora_b(const std::string& parameter) { return core::ends_with(parameter, kB); }

void merge_lora(const ScriptModel& model, const std::vector<LoraLayer>& layers) {
  const at::NoGradGuard quiet;
  for (const LoraLayer& branch : layers) {
    at::Tensor weight = model.parameter(branch.layer.weight).tensor;
    const at::Tensor change = at::mm(branch.b, branch.a).mul_(branch.scale);
    weight.add_(branch.layer.transposed ? change.t() : change);
  }
}

}  // namespace salf::model
