#include "model/graph/program.h"

#include <ATen/ops/ones_like.h>
#include <ATen/ops/tensor.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/remove_mutation.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "core/log.h"
#include "model/graph/position_tables.h"
#include "model/rewrites/causal_attention.h"
#include "model/rewrites/known_values.h"
#include "model/rewrites/length_values.h"
#include "model/rewrites/narrow_products.h"
#include "model/rewrites/rewrites.h"
#include "model/rewrites/segments.h"
#include "model/weights/lora.h"
#include "model/weights/narrow_weights.h"
#include "tensor/device.h"
#include "tensor/shapes.h"

namespace salf::model {

namespace jit = torch::jit;

namespace {

bool takes_tensor(const c10::Argument& argument) {
  return argument.type()->isSubtypeOf(*c10::TensorType::get());
}

bool may_be_none(const c10::Argument& argument) {
  return argument.type()->kind() == c10::TypeKind::OptionalType;
}

std::string argument_list(const c10::FunctionSchema& schema) {
  std::string text;
  for (std::size_t i = 1; i < schema.arguments().size(); ++i) {
    const auto& argument = schema.arguments()[i];
    text += (i > 1 ? ", " : "") + argument.name() + ": " + argument.type()->annotation_str();
  }
  return text;
}

jit::Function* callee(const jit::Node& node) {
  if (node.kind() == c10::prim::CallMethod) {
    const auto type = node.input(0)->type()->cast<c10::ClassType>();
    return type ? type->findMethod(node.s(c10::attr::name)) : nullptr;
  }
  if (node.kind() == c10::prim::CallFunction) {
    const auto type = node.input(0)->type()->cast<c10::FunctionType>();
    return type ? type->function() : nullptr;
  }
  return nullptr;
}

bool inline_call(jit::Node* node) {
  jit::Function* function = callee(*node);
  jit::GraphFunction* graph_function =
      function != nullptr ? jit::tryToGraphFunction(*function) : nullptr;
  if (graph_function == nullptr) return false;
  graph_function->ensure_defined();
  if (node->kind() == c10::prim::CallFunction) node->removeInput(0);
  // The graph is given explicitly: the short form would inline the optimised one, that is
  // everything.
  jit::inlineCallTo(node, graph_function, graph_function->graph().get());
  return true;
}

bool inline_calls_once(jit::Block* block, const std::function<bool(const jit::Node&)>& wanted) {
  bool changed = false;
  for (auto it = block->nodes().begin(); it != block->nodes().end();) {
    jit::Node* node = *it;
    ++it;
    for (jit::Block* inner : node->blocks()) changed = inline_calls_once(inner, wanted) || changed;
    if (callee(*node) != nullptr && wanted(*node)) changed = inline_call(node) || changed;
  }
  return changed;
}

// Values that a node reads, those of its inner blocks included.
void collect_reads(const jit::Node* node, std::vector<jit::Value*>& reads) {
  for (const jit::Value* input : node->inputs()) reads.push_back(const_cast<jit::Value*>(input));
  for (const jit::Block* inner : node->blocks()) {
    for (const jit::Node* inner_node : inner->nodes()) collect_reads(inner_node, reads);
    for (const jit::Value* output : inner->outputs())
      reads.push_back(const_cast<jit::Value*>(output));
  }
}

class Needs {
 public:
  Needs(const GraphPointer& source, const std::vector<jit::Value*>& inputs)
      : source_(source), stop_(inputs.begin(), inputs.end()) {}

  void add(jit::Value* value) {
    std::vector<jit::Value*> open{value};
    while (!open.empty()) {
      jit::Value* next = open.back();
      open.pop_back();
      if (stop_.count(next) > 0) continue;
      // A value of an inner block is needed through the node that owns the block.
      jit::Node* node = next->node();
      while (node->owningBlock() != source_->block()) {
        node = node->owningBlock()->owningNode();
        if (node == nullptr) break;
      }
      if (node == nullptr || node == source_->param_node() || !nodes_.insert(node).second) continue;
      collect_reads(node, open);
    }
  }

  // A node that writes in place to something needed is needed as well.
  void add_writers() {
    std::unique_ptr<jit::AliasDb> aliases;
    for (bool changed = true; changed;) {
      changed = false;
      jit::ValueSet values;
      for (jit::Node* node : nodes_) {
        for (jit::Value* output : node->outputs()) values.insert(output);
      }
      for (jit::Node* node : source_->block()->nodes()) {
        const auto* schema = node->maybeSchema();
        if (schema == nullptr || !schema->is_mutable() || nodes_.count(node) > 0) continue;
        if (!aliases) aliases = std::make_unique<jit::AliasDb>(source_);
        if (!aliases->writesToAlias(node, values)) continue;
        for (jit::Value* output : node->outputs()) add(output);
        changed = true;
      }
    }
  }

  bool contains(jit::Node* node) const { return nodes_.count(node) > 0; }

 private:
  GraphPointer source_;
  std::unordered_set<jit::Value*> stop_;
  std::unordered_set<jit::Node*> nodes_;
};

void move_constants(jit::Block* block, c10::Device device) {
  for (jit::Node* node : block->nodes()) {
    for (jit::Block* inner : node->blocks()) move_constants(inner, device);
    if (node->kind() != c10::prim::Constant || node->outputs().size() != 1) continue;
    const auto constant = jit::toIValue(node->output());
    if (!constant) continue;
    std::optional<c10::IValue> moved;
    if (constant->isDevice()) moved = c10::IValue(device);
    if (constant->isTensor() && constant->toTensor().defined())
      moved = constant->toTensor().to(device);
    if (!moved) continue;
    jit::WithInsertPoint here(node);
    node->output()->replaceAllUsesWith(block->owningGraph()->insertConstant(*moved));
  }
}

// The tensor that `aten::tensor` makes of a list of numbers in the module; nothing for others.
std::optional<at::Tensor> list_tensor(const jit::Node& node, const KnownValues& known) {
  if (node.kind() != c10::aten::tensor || !node.input(1)->mustBeNone()) return std::nullopt;
  const auto list = known.attribute(node.input(0));
  if (!list || !list->isDoubleList()) return std::nullopt;
  return at::tensor(list->toDoubleVector(), at::kFloat);
}

void make_list_tensors(jit::Block* block, const KnownValues& known, c10::Device device) {
  for (jit::Node* node : block->nodes()) {
    for (jit::Block* inner : node->blocks()) make_list_tensors(inner, known, device);
    const auto made = list_tensor(*node, known);
    if (!made) continue;
    const jit::WithInsertPoint here(node);
    node->output()->replaceAllUsesWith(block->owningGraph()->insertConstant(made->to(device)));
  }
}

}  // namespace

void refuse(const std::string& problem) { throw Error(ErrorKind::kBadModel, problem); }

ForwardSignature forward_signature(const jit::Module& module) {
  const auto method = module.find_method("forward");
  if (!method) refuse("the model has no forward method");
  const c10::FunctionSchema& schema = method->function().getSchema();
  const auto& arguments = schema.arguments();
  if (arguments.size() < 2 || !takes_tensor(arguments[1])) {
    refuse(
        "forward should take token ids first, a Tensor; it takes (" + argument_list(schema) + ")");
  }
  ForwardSignature signature;
  signature.defaults.resize(arguments.size() - 1);
  for (std::size_t i = 2; i < arguments.size(); ++i) {
    const c10::Argument& argument = arguments[i];
    const bool named_mask = argument.name().find("mask") != std::string::npos;
    if (!signature.mask && (takes_tensor(argument) || (named_mask && may_be_none(argument)))) {
      signature.mask = i;
      signature.mask_optional = may_be_none(argument);
    } else if (argument.default_value()) {
      signature.defaults[i - 1] = *argument.default_value();
    } else if (!may_be_none(argument)) {
      refuse("forward asks for more than ids and an attention mask: (" + argument_list(schema) +
             "); trace or script a wrapper that takes only those");
    }
  }
  return signature;
}

std::vector<c10::IValue> forward_arguments(
    const ForwardSignature& signature, const tensor::Batch& batch, c10::Device device) {
  std::vector<c10::IValue> arguments = signature.defaults;
  arguments[0] = batch.ids.to(device);
  // A causal decoder never looks to the right, so right-padded rows need no mask where it may be
  // left out.
  if (signature.mask && !signature.mask_optional) {
    const at::Tensor mask = batch.mask.defined() ? batch.mask : at::ones_like(batch.ids);
    arguments[*signature.mask - 1] = mask.to(device);
  }
  return arguments;
}

at::Tensor pick_logits(const c10::IValue& result, const tensor::Batch& batch) {
  const auto fits = [&batch](const c10::IValue& value) {
    if (!value.isTensor() || !value.toTensor().defined()) return false;
    const at::Tensor& tensor = value.toTensor();
    return tensor.dim() == 3 && tensor.size(0) == batch.rows() &&
           tensor.size(1) == batch.length() && tensor.is_floating_point();
  };
  if (fits(result)) return result.toTensor();
  if (result.isTuple()) {
    for (const auto& element : result.toTupleRef().elements()) {
      if (fits(element)) return element.toTensor();
    }
  }
  if (result.isGenericDict()) {
    const auto dictionary = result.toGenericDict();
    const auto found = dictionary.find("logits");
    if (found != dictionary.end() && fits(found->value())) return found->value().toTensor();
  }
  const std::string got =
      result.isTensor() ? tensor::shape_text(result.toTensor()) : result.tagKind();
  refuse("forward should give logits [B, T, V] = [" + std::to_string(batch.rows()) + ", " +
         std::to_string(batch.length()) + ", V]; it gives " + got +
         " (a shape that was baked in while tracing?)");
}

jit::Value* logits_value(jit::Graph& graph) {
  jit::Value* output = graph.outputs().at(0);
  jit::Node* node = output->node();
  if (is_tensor_value(output)) return output;
  if (node->kind() == c10::prim::TupleConstruct) {
    for (jit::Value* element : node->inputs()) {
      if (is_tensor_value(element)) return element;
    }
  }
  if (node->kind() == c10::prim::DictConstruct) {
    for (std::size_t i = 0; i + 1 < node->inputs().size(); i += 2) {
      const auto key = jit::toIValue(node->input(i));
      if (key && key->isString() && key->toStringRef() == "logits") return node->input(i + 1);
    }
  }
  refuse("forward should return logits, or a tuple or dictionary that holds them; it returns " +
         output->type()->annotation_str());
}

GraphPointer copy_forward(const jit::Module& module) {
  auto& function = jit::toGraphFunction(module.get_method("forward").function());
  function.ensure_defined();
  return function.graph()->copy();
}

std::optional<std::string> attribute_path(const jit::Value* value) {
  std::string path;
  for (const jit::Node* node = value->node(); node->kind() == c10::prim::GetAttr;
       value = node->input(0), node = value->node()) {
    path = path.empty() ? node->s(c10::attr::name) : node->s(c10::attr::name) + "." + path;
  }
  const bool is_self = value->node()->kind() == c10::prim::Param && value->offset() == 0 &&
                       value->node()->owningBlock()->owningNode() == nullptr;
  return is_self ? std::optional<std::string>(path) : std::nullopt;
}

void inline_calls(jit::Graph& graph, const std::function<bool(const jit::Node&)>& wanted) {
  while (inline_calls_once(graph.block(), wanted)) {
  }
}

// Note [Slicing]
// A part of the model is the backward slice of what it should give, stopped at what it is given.
// Nothing is assigned to "before" or "after" the cut by its place in the graph: masks and rotary
// tables, which depend on the ids alone, land in every part that needs them and are recomputed
// there, and what really crosses the cut shows as a block below the cut among the needed nodes, and
// is refused by the caller.
std::vector<jit::Node*> needed_nodes(const GraphPointer& source,
    const std::vector<jit::Value*>& inputs, const std::vector<jit::Value*>& outputs) {
  Needs needs(source, inputs);
  for (jit::Value* output : outputs) needs.add(output);
  needs.add_writers();
  std::vector<jit::Node*> nodes;
  for (jit::Node* node : source->block()->nodes()) {
    if (needs.contains(node)) nodes.push_back(node);
  }
  return nodes;
}

GraphPointer slice(const GraphPointer& source, const std::vector<jit::Value*>& inputs,
    const std::vector<jit::Value*>& outputs) {
  auto part = std::make_shared<jit::Graph>();
  std::unordered_map<const jit::Value*, jit::Value*> copies;
  for (jit::Value* input : source->inputs()) {
    copies[input] = part->addInput()->setType(input->type());
  }
  const std::vector<jit::Node*> nodes = needed_nodes(source, inputs, outputs);
  for (jit::Value* input : inputs) copies[input] = part->addInput()->setType(input->type());
  const auto copy_of = [&](jit::Value* value) { return copies.at(value); };
  for (jit::Node* node : nodes) {
    jit::Node* copy = part->appendNode(part->createClone(node, copy_of));
    for (std::size_t i = 0; i < node->outputs().size(); ++i) {
      // An input that this node makes as well (one of several results) keeps standing for the
      // input.
      copies.emplace(node->output(i), copy->output(i));
    }
  }
  for (jit::Value* output : outputs) part->registerOutput(copies.at(output));
  part->lint();
  return part;
}

struct Program::Parts {
  GraphPointer graph;
  jit::Module module;
  jit::Code code;
  // Further inputs of the graph.
  bool takes_segments = false;
  std::unique_ptr<PositionTables> tables;
  std::vector<at::Tensor> narrowed;  // parameters that come by their copies in `weights`
  std::shared_ptr<NarrowWeights> weights;
  std::vector<at::Tensor> branches;
};

Program::Program(const GraphPointer& graph, const jit::Module& module, c10::Device device,
    const std::string& name, Operators operators) {
  GraphPointer whole = graph->copy();
  inline_calls(*whole, [](const jit::Node&) { return true; });
  jit::RemoveTensorMutation(whole);
  jit::EliminateDeadCode(whole);
  if (!device.is_cpu()) {
    move_constants(whole->block(), device);
    jit::EliminateDeadCode(whole);
  }
  if (operators == Operators::kOwn) use_own_operators(whole, module);
  parts_ =
      std::make_unique<Parts>(Parts{whole, module, jit::Code(whole, name), false, {}, {}, {}, {}});
}

Program::~Program() = default;
Program::Program(Program&&) noexcept = default;

std::vector<c10::IValue> Program::run(
    std::vector<c10::IValue> arguments, const at::Tensor& segments) const {
  std::vector<c10::IValue> tables;
  if (parts_->tables) tables = parts_->tables->piece(arguments);
  jit::Stack stack;
  stack.reserve(
      arguments.size() + 2 + tables.size() + parts_->narrowed.size() + parts_->branches.size());
  stack.emplace_back(parts_->module._ivalue());
  for (auto& argument : arguments) stack.push_back(std::move(argument));
  if (parts_->takes_segments)
    stack.push_back(segments.defined() ? c10::IValue(segments) : c10::IValue());
  for (auto& table : tables) stack.push_back(std::move(table));
  for (const at::Tensor& weight : parts_->narrowed) stack.emplace_back(parts_->weights->of(weight));
  for (const at::Tensor& branch : parts_->branches) stack.emplace_back(branch);
  try {
    jit::InterpreterState(parts_->code).run(stack);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    if (const auto memory = tensor::out_of_memory(error)) throw *memory;
    // TorchScript's own traceback quotes the archive's source; the reason is its last line.
    std::string reason = tensor::error_text(error);
    reason.erase(reason.find_last_not_of(" \n") + 1);
    const std::size_t last = reason.rfind('\n');
    refuse("the model failed while running: " +
           core::printable(reason.substr(last == std::string::npos ? 0 : last + 1)));
  }
  return stack;
}

std::size_t Program::use_causal_attention(
    std::optional<std::size_t> mask_argument, const std::vector<MaskCheck>& trials) {
  const std::size_t dropped =
      drop_causal_masks(parts_->graph, parts_->module, mask_argument, trials);
  if (dropped > 0) parts_->code = jit::Code(parts_->graph, "causal");
  return dropped;
}

void Program::take_segments() {
  parts_->takes_segments = insert_segments(parts_->graph, parts_->module);
  if (parts_->takes_segments) parts_->code = jit::Code(parts_->graph, "segments");
}

void Program::take_pieces(std::int64_t longest) {
  LengthValues taken = take_length_values(parts_->graph, parts_->module);
  parts_->code = jit::Code(parts_->graph, "pieces");
  if (taken.for_attention.empty()) return;
  parts_->tables = std::make_unique<PositionTables>(
      Program(taken.graph, parts_->module, c10::kCPU, "tables", Operators::kOriginal),
      std::move(taken.for_attention), forward_signature(parts_->module).mask, longest);
}

void Program::add_lora(const std::vector<LoraLayer>& layers) {
  parts_->branches = insert_branches(parts_->graph, layers);
  if (!parts_->branches.empty()) parts_->code = jit::Code(parts_->graph, "lora");
}

void Program::keep_lists(c10::Device device) {
  if (device.is_cpu()) return;
  const KnownValues known(*parts_->graph, parts_->module);
  make_list_tensors(parts_->graph->block(), known, device);
  jit::EliminateDeadCode(parts_->graph);
  parts_->code = jit::Code(parts_->graph, "lists");
}

void Program::use_bfloat16(std::shared_ptr<NarrowWeights> weights, const std::string& wide_weight) {
  parts_->narrowed = model::use_bfloat16(parts_->graph, parts_->module, wide_weight);
  parts_->weights = std::move(weights);
  parts_->code = jit::Code(parts_->graph, "bf16");
}

const GraphPointer& Program::graph() const { return parts_->graph; }

}  // namespace salf::model
