// Which steps of a program are replaced by faster ones, and do they compute the same? On programs
// as users bring them (tests/golden/traces), and on small graphs that look like a pattern but are
// none.
#include "model/rewrites/rewrites.h"

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

#include "core/error.h"
#include "core/files.h"
#include "model/graph/block_finder.h"
#include "model/graph/decoder_graph.h"
#include "model/graph/graph_cut.h"
#include "model/graph/program.h"
#include "model/rewrites/causal_attention.h"
#include "model/script_model.h"
#include "ops/operators.h"

namespace salf::model {
namespace {

namespace fs = std::filesystem;
namespace jit = torch::jit;

using Counts = std::map<std::string, int>;

ScriptModel open_trace(const std::string& name) {
  return ScriptModel::load(
      fs::path(SALF_TEST_DATA) / "traces" / (name + ".pt"), c10::Device(c10::kCPU));
}

// The operators that rewrites make, salf::linear aside: it needs no pattern.
Counts made_operators(const jit::Graph& graph) {
  Counts counts;
  for (const jit::Node* node : graph.nodes()) {
    const std::string kind = node->kind().toQualString();
    const std::string name = kind.substr(kind.find("::") + 2);
    if (kind.rfind("salf::", 0) == 0 && name != "linear") ++counts[name];
    if (name == "gelu" && jit::toIValue(node->input(1))->toStringRef() == "tanh") ++counts["gelu"];
  }
  return counts;
}

struct Family {
  std::string archive;
  Counts expected;
  std::int64_t causal = 3;  // attentions that need no mask, of three
  bool packs = true;        // documents may share rows
};

void PrintTo(const Family& family, std::ostream* out) { *out << family.archive; }

std::vector<Family> families() {
  return {{"llama-sdpa", {{"attention", 3}, {"rms_norm", 7}, {"rotary", 6}, {"swiglu", 3}}},
      {"llama-sdpa-mask", {{"attention", 3}, {"rms_norm", 7}, {"rotary", 6}, {"swiglu", 3}}},
      {"llama-tied-eager-mask", {{"attention", 3}, {"rms_norm", 7}, {"rotary", 6}, {"swiglu", 3}}},
      {"mistral-sdpa-mask", {{"attention", 3}, {"rms_norm", 7}, {"rotary", 6}, {"swiglu", 3}}},
      {"qwen2-sdpa", {{"attention", 3}, {"rms_norm", 7}, {"rotary", 6}, {"swiglu", 3}}},
      {"qwen3-sdpa-mask", {{"attention", 3}, {"rms_norm", 13}, {"rotary", 6}, {"swiglu", 3}}},
      {"gemma2-sdpa", {{"attention", 3}, {"gelu", 3}, {"rms_norm", 13}, {"rotary", 6}}, 1},
      {"gemma2-eager-mask", {{"gelu", 3}, {"rms_norm", 13}, {"rotary", 6}}, 0, false},
      {"phi3-sdpa", {{"attention", 3}, {"rms_norm", 7}, {"rotary", 6}, {"swiglu", 3}}},
      {"olmo2-sdpa-mask", {{"attention", 3}, {"rms_norm", 13}, {"rotary", 6}, {"swiglu", 3}}},
      {"gpt2-sdpa", {{"attention", 3}, {"gelu", 3}}},
      {"neox-eager-mask", {{"attention", 3}, {"rotary", 6}}}, {"opt-sdpa-mask", {{"attention", 3}}},
      {"falcon-sdpa", {{"attention", 3}, {"rotary", 6}}}, {"nanogpt-script", {{"attention", 3}}},
      {"nanogpt-trace", {{"attention", 3}}}, {"sequential-script", {{"attention", 3}}}};
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
  tensor::Batch probe_ = proof_batch();
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

Results run_suffix(const Program& suffix, std::vector<c10::IValue> arguments,
    const at::Tensor& hidden, const at::Tensor& weights, const std::vector<Parameter>& parameters) {
  std::vector<at::Tensor> inputs{hidden.detach().clone().requires_grad_(true)};
  arguments.emplace_back(inputs.front());
  for (const Parameter& parameter : parameters) {
    if (parameter.tensor.is_floating_point())
      inputs.push_back(parameter.tensor.requires_grad_(true));
  }
  Results results;
  results.state = suffix.run(std::move(arguments)).at(0).toTensor();
  results.gradients = torch::autograd::grad(
      {(results.state * weights).sum()}, inputs, {}, std::nullopt, false, true);
  return results;
}

double relative_error(const at::Tensor& value, const at::Tensor& expected) {
  const double size = std::max(1.0, expected.abs().max().item<double>());
  return (value - expected).abs().max().item<double>() / size;
}

void expect_equal(const Results& results, const Results& expected, const at::Tensor& real) {
  EXPECT_LE(relative_error(results.state * real, expected.state * real), 1e-5);
  ASSERT_EQ(results.gradients.size(), expected.gradients.size());
  for (std::size_t i = 0; i < expected.gradients.size(); ++i) {
    ASSERT_EQ(results.gradients[i].defined(), expected.gradients[i].defined()) << i;
    if (!expected.gradients[i].defined()) continue;
    EXPECT_LE(relative_error(results.gradients[i], expected.gradients[i]), 1e-5) << i;
  }
}

TEST_P(RewrittenTrace, GivesTheSameValuesAndGradients) {
  const HeadGraph head = find_head(blocks_, model_);
  jit::Value* graph = blocks_.hidden[1];
  const Program prefix = program(slice(blocks_.graph, {}, {graph}), Operators::kOriginal);
  const GraphPointer above = slice(blocks_.graph, {graph}, {head.state});
  const Program written = program(above, Operators::kOriginal);
  const Program rewritten = program(above, Operators::kOwn);
  Program causal = program(above, Operators::kOwn);
  for (const tensor::Batch& batch : {probe_, first_row(probe_)}) {
    const auto arguments = forward_arguments(signature_, batch, model_.device());
    const at::Tensor hidden = prefix.run(arguments).at(0).toTensor().detach();
    const at::Tensor real =
        (batch.mask.defined() ? batch.mask : torch::ones_like(batch.ids)).unsqueeze(-1);
    const at::Tensor weights =
        torch::sin(torch::arange(hidden.numel()).reshape(hidden.sizes()).to(torch::kFloat)) * real;
    const Results expected = run_suffix(written, arguments, hidden, weights, model_.parameters());
    expect_equal(
        run_suffix(rewritten, arguments, hidden, weights, model_.parameters()), expected, real);

    MaskCheck proof{arguments, batch.length(), {9}};
    if (batch.rows() == 2) proof.rows.push_back(batch.length());
    proof.arguments.emplace_back(hidden);
    causal.use_causal_attention(signature_.mask, {proof});
    expect_equal(
        run_suffix(causal, arguments, hidden, weights, model_.parameters()), expected, real);
  }
}

TEST_P(RewrittenTrace, LosesMasksThatAreCausal) {
  const GraphCut graph = GraphCut(model_, "").for_rows(20);
  EXPECT_EQ(graph.causal_attentions(), GetParam().causal);
  for (std::int64_t cut = 0; cut < 3; ++cut) EXPECT_LE(graph.prove(cut), 1e-5) << cut;
}

TEST_P(RewrittenTrace, KeepsDocumentsOfARowApartOrRefuses) {
  const GraphCut masked(model_, "");
  for (const GraphCut& graph : {masked, masked.for_rows(20)}) {
    if (GetParam().packs) {
      EXPECT_LE(graph.prove_segments(20), 1e-5);
    } else {
      EXPECT_THROW(graph.prove_segments(20), Error);
    }
  }
}

TEST_P(RewrittenTrace, RunsLongerBatchesWithTheirMasks) {
  const torch::NoGradGuard no_grad;
  const GraphCut masked(model_, "");
  const GraphCut graph = masked.for_rows(1);
  tensor::Batch batch;
  batch.ids = torch::arange(2 * 30).reshape({2, 30}).remainder(60);
  const at::Tensor state = graph.suffix(graph.prefix(batch, 1), batch, 1);
  const at::Tensor logits =
      graph.head()(state.reshape({60, graph.map().hidden})).reshape({2, 30, -1});
  EXPECT_LE(relative_error(logits, model_.forward(batch)), 1e-5);
  EXPECT_TRUE(torch::equal(state, masked.suffix(masked.prefix(batch, 1), batch, 1)));
}

TEST_P(RewrittenTrace, IsSavedAsItWas) {
  const fs::path folder = fs::path(::testing::TempDir()) / ("rewritten-" + GetParam().archive);
  fs::create_directories(folder);
  model_.save(folder / "before.pt");
  GraphCut(model_, "").for_rows(20).prove(1);
  model_.save(folder / "after.pt");
  EXPECT_EQ(core::read_file(folder / "before.pt"), core::read_file(folder / "after.pt"));
  fs::remove_all(folder);
}

INSTANTIATE_TEST_SUITE_P(Archives, RewrittenTrace, ::testing::ValuesIn(families()), family_name);

// --- what looks like a pattern
// --------------------------------------------------------------------------------------

constexpr const char* kConstants = R"(
  %none : NoneType = prim::Constant()
  %true : bool = prim::Constant[value=1]()
  %false : bool = prim::Constant[value=0]()
  %last : int = prim::Constant[value=-1]()
  %c0 : int = prim::Constant[value=0]()
  %c1 : int = prim::Constant[value=1]()
  %c2 : int = prim::Constant[value=2]()
  %c3 : int = prim::Constant[value=3]()
  %c4 : int = prim::Constant[value=4]()
  %c8 : int = prim::Constant[value=8]()
  %end : int = prim::Constant[value=9223372036854775807]()
  %third : float = prim::Constant[value=0.3]()
  %four : int[] = prim::ListConstruct(%c1, %c2, %last, %c8)
  %of_last : int[] = prim::ListConstruct(%last))";

constexpr const char* kAttention = R"(
  %q : Tensor = aten::view(%a, %four)
  %k : Tensor = aten::view(%b, %four)
  %v : Tensor = aten::view(%c, %four)
  %mask : Tensor = aten::view(%d, %four)
  %turned : Tensor = aten::transpose(%k, %c2, %c3)
  %product : Tensor = aten::matmul(%q, %turned)
  %scores : Tensor = aten::mul(%product, %third)
  %masked : Tensor = aten::add(%scores, %mask, %c1)
  %weights : Tensor = aten::softmax(%masked, %last, %none)
  %result : Tensor = aten::matmul(%weights, %v))";

constexpr const char* kRotary = R"(
  %x : Tensor = aten::view(%a, %four)
  %straight : Tensor = aten::mul(%x, %b)
  %first : Tensor = aten::slice(%x, %last, %c0, %c4, %c1)
  %second : Tensor = aten::slice(%x, %last, %c4, %end, %c1)
  %minus : Tensor = aten::neg(%second)
  %halves : Tensor[] = prim::ListConstruct(%minus, %first)
  %swapped : Tensor = aten::cat(%halves, %last)
  %crossed : Tensor = aten::mul(%swapped, %c)
  %result : Tensor = aten::add(%straight, %crossed, %c1))";

constexpr const char* kRolled = R"(
  %by : int[] = prim::ListConstruct(%c4)
  %straight : Tensor = aten::mul(%a, %b)
  %rolled : Tensor = aten::roll(%a, %by, %of_last)
  %result : Tensor = aten::addcmul(%straight, %rolled, %c, %c1))";

constexpr const char* kNorm = R"(
  %width : int[] = prim::ListConstruct(%c8)
  %w : Tensor = aten::view(%b, %width)
  %square : Tensor = aten::pow(%a, %c2)
  %mean : Tensor = aten::mean(%square, %of_last, %true, %none)
  %sum : Tensor = aten::add(%mean, %third, %c1)
  %root : Tensor = aten::rsqrt(%sum)
  %normed : Tensor = aten::mul(%a, %root)
  %result : Tensor = aten::mul(%w, %normed))";

constexpr const char* kSwiglu = R"(
  %gate : Tensor = aten::silu(%a)
  %result : Tensor = aten::mul(%gate, %b))";

constexpr const char* kGelu = R"(
  %h : float = prim::Constant[value=0.5]()
  %s : float = prim::Constant[value=0.79788456080286541]()
  %t : float = prim::Constant[value=0.044715]()
  %half : Tensor = aten::mul(%a, %h)
  %cube : Tensor = aten::pow(%a, %c3)
  %bend : Tensor = aten::mul(%cube, %t)
  %bent : Tensor = aten::add(%a, %bend, %c1)
  %inner : Tensor = aten::mul(%bent, %s)
  %tanh : Tensor = aten::tanh(%inner)
  %gated : Tensor = aten::add(%tanh, %c1, %c1)
  %result : Tensor = aten::mul(%half, %gated))";

// The operators made of a graph's body; `also` is returned beside its result.
Counts made_of(const std::string& body, const std::string& also = "") {
  const std::string result = also.empty() ? "%result" : "%result, " + also;
  const std::string text =
      "graph(%self : Tensor, %a : Tensor, %b : Tensor, %c : Tensor, %d : Tensor):" +
      std::string(kConstants) + body + "\n  return (" + result + ")\n";
  auto graph = std::make_shared<jit::Graph>();
  jit::parseIR(text, graph.get());
  use_own_operators(graph, jit::Module("Empty"));
  graph->lint();
  return made_operators(*graph);
}

std::string changed(std::string body, const std::string& from, const std::string& to) {
  const std::size_t place = body.find(from);
  EXPECT_NE(place, std::string::npos) << from;
  return body.replace(place, from.size(), to);
}

TEST(Rewrites, FindEachPattern) {
  EXPECT_EQ(made_of(kAttention), (Counts{{"attention", 1}}));
  EXPECT_EQ(made_of(kRotary), (Counts{{"rotary", 1}}));
  EXPECT_EQ(made_of(kRolled), (Counts{{"rotary", 1}}));
  EXPECT_EQ(made_of(kNorm), (Counts{{"rms_norm", 1}}));
  EXPECT_EQ(made_of(kSwiglu), (Counts{{"swiglu", 1}}));
  EXPECT_EQ(made_of(kGelu), (Counts{{"gelu", 1}}));
}

TEST(Rewrites, LeaveStepsThatSomethingElseUses) {
  for (const char* step : {"%turned", "%product", "%scores", "%masked", "%weights"}) {
    EXPECT_EQ(made_of(kAttention, step), Counts{}) << step;
  }
  for (const char* step : {"%straight", "%first", "%second", "%minus", "%swapped", "%crossed"}) {
    EXPECT_EQ(made_of(kRotary, step), Counts{}) << step;
  }
  for (const char* step : {"%square", "%mean", "%sum", "%root", "%normed"})
    EXPECT_EQ(made_of(kNorm, step), Counts{}) << step;
  for (const char* step : {"%half", "%cube", "%bend", "%bent", "%inner", "%tanh", "%gated"}) {
    EXPECT_EQ(made_of(kGelu, step), Counts{}) << step;
  }
  EXPECT_EQ(made_of(kSwiglu, "%gate"), Counts{});
  EXPECT_EQ(made_of(kAttention, "%mask"),
      (Counts{{"attention", 1}}));  // an input of the pattern, no step
}

TEST(Rewrites, LeaveAttentionOfAnotherKind) {
  EXPECT_EQ(
      made_of(changed(kAttention, "softmax(%masked, %last", "softmax(%masked, %c2")), Counts{});
  EXPECT_EQ(
      made_of(changed(kAttention, "transpose(%k, %c2, %c3)", "transpose(%k, %c1, %c3)")), Counts{});
  EXPECT_EQ(made_of(changed(kAttention, "add(%scores, %mask, %c1)", "add(%scores, %mask, %c2)")),
      Counts{});
  EXPECT_EQ(
      made_of(changed(kAttention, "view(%b, %four)", "relu(%b)")), Counts{});  // of unknown rank
  const std::string capped =
      changed(kAttention, "add(%scores,", "tanh(%scores)\n  %sum : Tensor = aten::add(%masked,");
  EXPECT_EQ(made_of(changed(capped, "softmax(%masked", "softmax(%sum")), Counts{});
  const std::string late =
      changed(kAttention, "mul(%product, %third)", "add(%product, %mask, %c1)");
  EXPECT_EQ(made_of(changed(late, "add(%scores, %mask, %c1)", "mul(%scores, %third)")),
      Counts{});  // scales the mask
}

TEST(Rewrites, LeaveRotaryOfAnotherKind) {
  EXPECT_EQ(made_of(changed(kRotary, "%c0, %c4", "%c0, %c3")), Counts{});
  EXPECT_EQ(made_of(changed(kRotary, "%c0, %c4", "%c1, %c4")), Counts{});
  EXPECT_EQ(made_of(changed(kRotary, "%c4, %end, %c1", "%c4, %end, %c2")), Counts{});
  EXPECT_EQ(made_of(changed(kRotary, "cat(%halves, %last)", "cat(%halves, %c2)")), Counts{});
  EXPECT_EQ(made_of(changed(kRotary, "slice(%x, %last, %c0", "slice(%a, %last, %c0")), Counts{});
  EXPECT_EQ(made_of(changed(kRotary, "mul(%x, %b)", "mul(%a, %b)")), Counts{});
  EXPECT_EQ(made_of(changed(kRotary, "view(%a, %four)", "relu(%a)")),
      Counts{});  // where x ends is not known
  EXPECT_EQ(made_of(changed(kRolled, "roll(%a, %by, %of_last)", "roll(%a, %by, %by)")), Counts{});
  EXPECT_EQ(made_of(changed(kRolled, "roll(%a", "roll(%b")), Counts{});
}

TEST(Rewrites, LeaveNormsAndActivationsOfAnotherKind) {
  EXPECT_EQ(made_of(changed(kNorm, "pow(%a, %c2)", "pow(%a, %c3)")), Counts{});
  EXPECT_EQ(made_of(changed(kNorm, "%of_last, %true", "%of_last, %false")), Counts{});
  EXPECT_EQ(made_of(changed(kNorm, "mean(%square, %of_last", "mean(%square, %width")), Counts{});
  EXPECT_EQ(made_of(changed(kNorm, "mul(%a, %root)", "mul(%c, %root)")), Counts{});
  EXPECT_EQ(made_of(changed(kNorm, "ListConstruct(%c8)", "ListConstruct(%c1)")),
      Counts{});  // one weight for all
  EXPECT_EQ(made_of(changed(kNorm, "view(%b, %width)", "relu(%b)")), Counts{});
  EXPECT_EQ(made_of(changed(kGelu, "0.044715", "0.05")), Counts{});
  EXPECT_EQ(made_of(changed(kGelu, "pow(%a, %c3)", "pow(%b, %c3)")), Counts{});
  EXPECT_EQ(made_of(changed(kGelu, "value=0.5", "value=0.25")), Counts{});
}

}  // namespace
}  // namespace salf::model
