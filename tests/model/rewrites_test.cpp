// Which steps of a program are replaced by faster ones, and do they compute the same? On programs as users bring them
// (tests/golden/traces), and on small graphs that look like a pattern but are none.
#include "../../src/model/rewrites.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/ir/irparser.h>
#include <torch/types.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "../../src/model/block_finder.h"
#include "../../src/model/head_finder.h"
#include "../../src/model/probe_batch.h"
#include "../../src/model/program.h"
#include "salf/core/files.h"
#include "salf/model/graph_cut.h"
#include "salf/model/script_model.h"
#include "salf/ops/operators.h"

namespace salf::model {
namespace {

namespace fs = std::filesystem;
namespace jit = torch::jit;

using Counts = std::map<std::string, int>;

ScriptModel open_trace(const std::string& name) {
  return ScriptModel::load(fs::path(SALF_TEST_DATA) / "traces" / (name + ".pt"), c10::Device(c10::kCPU));
}

// The operators that rewrites make, salf::linear aside: it needs no pattern.
Counts made_operators(const jit::Graph& graph) {
  Counts counts;
  for (const jit::Node* node : graph.nodes()) {
    const std::string kind = node->kind().toQualString();
    const std::string name = kind.substr(kind.find("::") + 2);
    if (kind.rfind("salf::", 0) == 0 && name != "linear") ++counts[name];
    if (name == "scaled_dot_product_attention") ++counts["attention"];
    if (name == "gelu" && jit::toIValue(node->input(1))->toStringRef() == "tanh") ++counts["gelu"];
  }
  return counts;
}

struct Family {
  std::string archive;
  Counts expected;
};

void PrintTo(const Family& family, std::ostream* out) { *out << family.archive; }

std::vector<Family> families() {
  return {{"llama-sdpa", {{"attention", 3}, {"rms_norm", 7}, {"rotary", 6}, {"swiglu", 3}}},
          {"llama-sdpa-mask", {{"attention", 3}, {"rms_norm", 7}, {"rotary", 6}, {"swiglu", 3}}},
          {"llama-tied-eager-mask", {{"attention", 3}, {"rms_norm", 7}, {"rotary", 6}, {"swiglu", 3}}},
          {"mistral-sdpa-mask", {{"attention", 3}, {"rms_norm", 7}, {"rotary", 6}, {"swiglu", 3}}},
          {"qwen2-sdpa", {{"attention", 3}, {"rms_norm", 7}, {"rotary", 6}, {"swiglu", 3}}},
          {"qwen3-sdpa-mask", {{"attention", 3}, {"rms_norm", 13}, {"rotary", 6}, {"swiglu", 3}}},
          {"gemma2-sdpa", {{"attention", 3}, {"gelu", 3}, {"rms_norm", 13}, {"rotary", 6}}},
          {"gemma2-eager-mask", {{"gelu", 3}, {"rms_norm", 13}, {"rotary", 6}}},
          {"phi3-sdpa", {{"attention", 3}, {"rms_norm", 7}, {"rotary", 6}, {"swiglu", 3}}},
          {"olmo2-sdpa-mask", {{"attention", 3}, {"rms_norm", 13}, {"rotary", 6}, {"swiglu", 3}}},
          {"gpt2-sdpa", {{"attention", 3}, {"gelu", 3}}},
          {"neox-eager-mask", {{"attention", 3}, {"rotary", 6}}},
          {"opt-sdpa-mask", {{"attention", 3}}},
          {"falcon-sdpa", {{"attention", 3}, {"rotary", 6}}},
          {"nanogpt-script", {{"attention", 3}}},
          {"nanogpt-trace", {{"attention", 3}}},
          {"sequential-script", {{"attention", 3}}}};
}

std::string family_name(const ::testing::TestParamInfo<Family>& family) {
  std::string text = family.param.archive;
  std::replace(text.begin(), text.end(), '-', '_');
  return text;
}

// One cut of a traced model, as it was written and rewritten.
class RewrittenTrace : public ::testing::TestWithParam<Family> {
 protected:
  Program program(const GraphPointer& graph, Operators operators) const {
    return Program(graph, model_.module(), model_.device(), "part", operators);
  }

  ScriptModel model_ = open_trace(GetParam().archive);
  ForwardSignature signature_ = forward_signature(model_.module());
  tensor::Batch probe_ = probe_batch();
  BlockGraph blocks_ = find_blocks(model_.module(), signature_, "", probe_, model_.device());
};

TEST_P(RewrittenTrace, UsesTheOperatorsOfItsFamily) {
  const Program whole = program(slice(blocks_.graph, {}, {blocks_.logits}), Operators::kOwn);
  EXPECT_EQ(made_operators(*whole.graph()), GetParam().expected);
}

struct Results {
  at::Tensor state;
  std::vector<at::Tensor> gradients;
};

Results run_suffix(const Program& suffix, std::vector<c10::IValue> arguments, const at::Tensor& hidden,
                   const at::Tensor& weights, const std::vector<Parameter>& parameters) {
  std::vector<at::Tensor> inputs{hidden.detach().clone().requires_grad_(true)};
  arguments.emplace_back(inputs.front());
  for (const Parameter& parameter : parameters) {
    if (parameter.tensor.is_floating_point()) inputs.push_back(parameter.tensor.requires_grad_(true));
  }
  Results results;
  results.state = suffix.run(std::move(arguments)).at(0).toTensor();
  results.gradients = torch::autograd::grad({(results.state * weights).sum()}, inputs, {}, std::nullopt, false, true);
  return results;
}

double relative_difference(const at::Tensor& value, const at::Tensor& expected) {
  const double size = std::max(1.0, expected.abs().max().item<double>());
  return (value - expected).abs().max().item<double>() / size;
}

TEST_P(RewrittenTrace, GivesTheSameValuesAndGradients) {
  const HeadGraph head = find_head(blocks_, model_);
  jit::Value* cut = blocks_.hidden[1];
  const Program prefix = program(slice(blocks_.graph, {}, {cut}), Operators::kOriginal);
  const GraphPointer above = slice(blocks_.graph, {cut}, {head.state});
  const Program written = program(above, Operators::kOriginal);
  const Program rewritten = program(above, Operators::kOwn);
  const tensor::Batch padded = probe_batch();
  for (const tensor::Batch& batch : {padded, first_row(padded)}) {
    const auto arguments = forward_arguments(signature_, batch, model_.device());
    const at::Tensor hidden = prefix.run(arguments).at(0).toTensor().detach();
    at::Tensor weights = torch::sin(torch::arange(hidden.numel()).reshape(hidden.sizes()).to(torch::kFloat));
    if (batch.mask.defined()) weights = weights * batch.mask.unsqueeze(-1);
    const Results expected = run_suffix(written, arguments, hidden, weights, model_.parameters());
    const Results results = run_suffix(rewritten, arguments, hidden, weights, model_.parameters());
    const at::Tensor real = batch.mask.defined() ? batch.mask.unsqueeze(-1) : torch::ones_like(batch.ids).unsqueeze(-1);
    EXPECT_LE(relative_difference(results.state * real, expected.state * real), 1e-5);
    ASSERT_EQ(results.gradients.size(), expected.gradients.size());
    for (std::size_t i = 0; i < expected.gradients.size(); ++i) {
      ASSERT_EQ(results.gradients[i].defined(), expected.gradients[i].defined()) << i;
      if (!expected.gradients[i].defined()) continue;
      EXPECT_LE(relative_difference(results.gradients[i], expected.gradients[i]), 1e-5) << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Archives, RewrittenTrace, ::testing::ValuesIn(families()), family_name);

}  // namespace
}  // namespace salf::model
