#include "model/rewrites/known_values.h"

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>
#include <string_view>
#include <vector>

#include "model/graph/program.h"
#include "model/weights/narrow_weights.h"

namespace salf::model {

namespace jit = torch::jit;

namespace {

constexpr std::array<std::string_view, 22> kShapeOfFirstInput = {"aten::to", "aten::contiguous",
    "aten::dropout", "aten::neg", "aten::clone", "aten::detach", "aten::type_as", "aten::silu",
    "aten::gelu", "aten::cos", "aten::sin", "aten::tanh", "aten::softmax", "aten::tril",
    "aten::triu", "aten::rsqrt", "aten::relu", "aten::logical_not", "aten::layer_norm",
    "salf::rms_norm", "salf::state", "aten::bitwise_not"};
constexpr std::array<std::string_view, 15> kElementwise = {"aten::mul", "aten::add", "aten::sub",
    "aten::div", "aten::pow", "aten::eq", "aten::ne", "aten::le", "aten::lt", "aten::ge",
    "aten::gt", "aten::where", "aten::__and__", "salf::rotary", "salf::swiglu"};
constexpr std::array<std::string_view, 9> kShapeInList = {"aten::view", "aten::reshape",
    "aten::expand", "aten::ones", "aten::zeros", "aten::full", "aten::new_full", "aten::new_ones",
    "aten::new_zeros"};

constexpr std::array<std::string_view, 3> kRearranging = {
    "aten::slice", "aten::transpose", "aten::unsqueeze"};

template <std::size_t N>
bool is_one_of(const jit::Node& node, const std::array<std::string_view, N>& kinds) {
  const std::string_view kind = node.kind().toQualString();
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

std::optional<std::int64_t> known_integer(const jit::Value* value) {
  const auto constant = jit::toIValue(value);
  if (!constant || !constant->isInt()) return std::nullopt;
  return constant->toInt();
}

// Of a list that is made where it is used.
std::optional<KnownShape> shape_in_list(const jit::Value* list) {
  if (list->node()->kind() != c10::prim::ListConstruct) return std::nullopt;
  KnownShape shape{static_cast<std::int64_t>(list->node()->inputs().size()), std::nullopt};
  if (shape.rank == 0) return shape;
  const auto last = known_integer(list->node()->inputs().back());
  if (last && *last >= 0) shape.last = last;
  return shape;
}

bool is_foreign_dtype(c10::ScalarType type) {
  return c10::isFloatingType(type) && type != c10::kFloat;
}

// Whether a node of the block makes floating point other than float32.
bool has_foreign_casts(const jit::Block& block) {
  for (const jit::Node* node : block.nodes()) {
    for (const jit::Block* inner : node->blocks()) {
      if (has_foreign_casts(*inner)) return true;
    }
    const c10::FunctionSchema* schema = node->maybeSchema();
    if (schema == nullptr) continue;
    const auto place = schema->argumentIndexWithName("dtype");
    if (!place || static_cast<std::size_t>(*place) >= node->inputs().size()) continue;
    const auto type = known_integer(node->input(static_cast<std::size_t>(*place)));
    if (type && is_foreign_dtype(static_cast<c10::ScalarType>(*type))) return true;
  }
  return false;
}

bool holds_only_float32(const jit::Module& module) {
  for (const at::Tensor& tensor : module.parameters()) {
    if (is_foreign_dtype(tensor.scalar_type()) && !Substitute::is_in(tensor)) return false;
  }
  for (const at::Tensor& tensor : module.buffers()) {
    if (is_foreign_dtype(tensor.scalar_type())) return false;
  }
  return true;
}

bool is_cast_to_float32(const jit::Node& node) {
  if (!is_kind(&node, "aten::to")) return false;
  const auto dtype = node.schema().argumentIndexWithName("dtype");
  return dtype && is_integer(node.input(static_cast<std::size_t>(*dtype)),
                      static_cast<std::int64_t>(c10::kFloat));
}

KnownShape shape_of(const at::Tensor& tensor) {
  KnownShape shape{tensor.dim(), std::nullopt};
  if (tensor.dim() > 0) shape.last = tensor.size(-1);
  return shape;
}

}  // namespace

bool is_kind(const jit::Node* node, const char* kind) {
  return node->kind() == c10::Symbol::fromQualString(kind);
}

bool is_kind(const jit::Value* value, const char* kind) { return is_kind(value->node(), kind); }

bool is_integer(const jit::Value* value, std::int64_t expected) {
  return known_integer(value) == expected;
}

bool is_bool(const jit::Value* value, bool expected) {
  const auto constant = jit::toIValue(value);
  return constant && constant->isBool() && constant->toBool() == expected;
}

jit::Value* only_element(const jit::Value* list) {
  const jit::Node* node = list->node();
  const bool single = node->kind() == c10::prim::ListConstruct && node->inputs().size() == 1;
  return single ? const_cast<jit::Value*>(node->input(0)) : nullptr;
}

jit::Value* other_input(const jit::Node* node, const jit::Value* one) {
  for (const std::size_t side : {0U, 1U}) {
    if (node->input(side) == one) return const_cast<jit::Value*>(node->input(1 - side));
  }
  return nullptr;
}

bool is_list_of(const jit::Value* list, std::int64_t expected) {
  const auto constant = jit::toIValue(list);
  if (constant && constant->isIntList())
    return constant->toIntVector() == std::vector<std::int64_t>{expected};
  const jit::Value* element = only_element(list);
  return element != nullptr && is_integer(element, expected);
}

std::optional<double> known_number(const jit::Value* value) {
  const auto constant = jit::toIValue(value);
  if (!constant) return std::nullopt;
  if (constant->isInt()) return static_cast<double>(constant->toInt());
  if (constant->isDouble()) return constant->toDouble();
  const bool scalar =
      constant->isTensor() && constant->toTensor().defined() && constant->toTensor().dim() == 0;
  if (!scalar || constant->toTensor().is_complex()) return std::nullopt;
  return constant->toTensor().item<double>();
}

bool is_number(const jit::Value* value, double expected) {
  const auto number = known_number(value);
  return number && std::abs(*number - expected) <= 1e-6 * std::abs(expected);
}

bool is_sum(const jit::Node& node) {
  return is_kind(&node, "aten::add") && node.inputs().size() == 3 && is_integer(node.input(2), 1);
}

bool is_float32_or_none(const jit::Value* dtype) {
  return dtype->mustBeNone() || is_integer(dtype, static_cast<std::int64_t>(c10::kFloat));
}

bool is_tensor_value(const jit::Value* value) {
  return value->type()->isSubtypeOf(*c10::TensorType::get());
}

bool has_one_use(const jit::Value* value) { return value->uses().size() == 1; }

bool ignores_elements(const jit::Node& node, std::size_t input) {
  constexpr std::array<std::string_view, 6> kOfAll = {
      "aten::size", "aten::dim", "aten::device", "prim::device", "prim::dtype", "aten::numel"};
  constexpr std::array<std::string_view, 8> kOfFirst = {"aten::new_ones", "aten::new_zeros",
      "aten::new_full", "aten::new_empty", "aten::ones_like", "aten::zeros_like", "aten::full_like",
      "aten::empty_like"};
  constexpr std::array<std::string_view, 3> kOfSecond = {
      "aten::type_as", "aten::expand_as", "aten::to"};
  if (is_one_of(node, kOfAll)) return true;
  if (input == 0) return is_one_of(node, kOfFirst);
  return input == 1 && is_one_of(node, kOfSecond) && is_tensor_value(node.input(1));
}

KnownValues::KnownValues(const jit::Graph& graph, const jit::Module& module)
    : module_(module),
      only_float32_(holds_only_float32(module) && !has_foreign_casts(*graph.block())) {
  const auto forward = module.find_method("forward");
  forward_inputs_ = forward ? forward->num_inputs() : graph.inputs().size();
  for (const at::Tensor& parameter : module.parameters())
    parameters_.insert(parameter.unsafeGetTensorImpl());
}

std::optional<KnownShape> KnownValues::shape(const jit::Value* value) {
  const auto found = shapes_.find(value);
  if (found != shapes_.end()) return found->second;
  const auto shape = find_shape(value);
  shapes_.emplace(value, shape);
  return shape;
}

std::optional<KnownShape> KnownValues::find_shape(const jit::Value* value) {
  const jit::Node& node = *value->node();
  if (const auto constant = jit::toIValue(value);
      constant && constant->isTensor() && constant->toTensor().defined()) {
    return shape_of(constant->toTensor());
  }
  if (const auto read = attribute(value); read && read->isTensor())
    return shape_of(read->toTensor());
  if (is_one_of(node, kShapeOfFirstInput)) return shape(node.input(0));
  if (is_one_of(node, kElementwise)) return elementwise(node);
  if (is_one_of(node, kShapeInList) && node.inputs().size() > 1) {
    return shape_in_list(is_tensor_value(node.input(0)) ? node.input(1) : node.input(0));
  }
  if (is_kind(&node, "aten::arange")) return KnownShape{1, std::nullopt};
  if (is_one_of(node, kRearranging)) return rearranged(node);
  if (is_kind(&node, "prim::ListUnpack")) return piece(node);
  if (is_kind(&node, "aten::cat") && node.input(0)->node()->kind() == c10::prim::ListConstruct) {
    const auto tensors = node.input(0)->node()->inputs();
    const auto first = tensors.empty() ? std::nullopt : shape(tensors[0]);
    if (first) return KnownShape{first->rank, std::nullopt};
  }
  if (is_kind(&node, "aten::matmul")) {
    const auto left = shape(node.input(0));
    const auto right = left ? shape(node.input(1)) : std::nullopt;
    if (right && left->rank >= 2 && right->rank >= 2)
      return KnownShape{std::max(left->rank, right->rank), right->last};
  }
  return std::nullopt;
}

// Broadcast: the longest wins, and a last dimension is known where all agree on it or have none.
std::optional<KnownShape> KnownValues::elementwise(const jit::Node& node) {
  KnownShape result{0, std::nullopt};
  bool all_known = true;
  for (const jit::Value* input : node.inputs()) {
    if (!is_tensor_value(input)) continue;
    const auto one = shape(input);
    if (!one) return std::nullopt;
    result.rank = std::max(result.rank, one->rank);
    if (one->rank == 0) continue;
    all_known = all_known && one->last && (!result.last || result.last == one->last);
    result.last = one->last;
  }
  if (!all_known) result.last.reset();
  return result;
}

// A slice, a transposition or a new dimension: the last one is known where it stays the last.
std::optional<KnownShape> KnownValues::rearranged(const jit::Node& node) {
  const auto whole = shape(node.input(0));
  const auto dimension = known_integer(node.input(1));
  if (!whole) return std::nullopt;
  if (is_kind(&node, "aten::transpose")) {
    const bool known = dimension && known_integer(node.input(2));
    const bool kept = known && !is_last_dimension(node.input(1), node.input(0)) &&
                      !is_last_dimension(node.input(2), node.input(0));
    return KnownShape{whole->rank, kept ? whole->last : std::nullopt};
  }
  if (!dimension) return std::nullopt;
  if (is_kind(&node, "aten::slice")) {
    const bool kept = *dimension >= 0 ? *dimension < whole->rank - 1 : *dimension != -1;
    return KnownShape{whole->rank, kept ? whole->last : std::nullopt};
  }
  const bool kept = *dimension >= 0 && *dimension < whole->rank;
  return KnownShape{whole->rank + 1, kept ? whole->last : std::nullopt};
}

// One of the tensors into which another was divided.
std::optional<KnownShape> KnownValues::piece(const jit::Node& unpack) {
  const jit::Node& divided = *unpack.input(0)->node();
  if (!is_kind(&divided, "aten::chunk") && !is_kind(&divided, "aten::split")) return std::nullopt;
  const auto whole = shape(divided.input(0));
  return whole ? std::optional(KnownShape{whole->rank, std::nullopt}) : std::nullopt;
}

bool KnownValues::is_last_dimension(const jit::Value* dimension, const jit::Value* tensor) {
  const auto place = known_integer(dimension);
  if (!place) return false;
  if (*place == -1) return true;
  const auto known = shape(tensor);
  return known && *place == known->rank - 1;
}

jit::Value* KnownValues::without_casts(jit::Value* value) const {
  while (only_float32_ && is_cast_to_float32(*value->node())) value = value->node()->input(0);
  return value;
}

Sources KnownValues::sources(const jit::Value* value) const {
  Sources sources;
  std::unordered_set<const jit::Value*> seen;
  std::vector<const jit::Value*> open{value};
  while (!open.empty()) {
    const jit::Value* next = open.back();
    open.pop_back();
    if (!seen.insert(next).second) continue;
    const jit::Node& node = *next->node();
    const bool top_level = node.owningBlock()->owningNode() == nullptr;
    if (node.kind() == c10::prim::Param && top_level && next->offset() < forward_inputs_) {
      sources.arguments.insert(next->offset());
    } else if (is_kind(&node, "prim::GetAttr")) {
      sources.fixed = sources.fixed && !is_parameter(next);
    } else {
      const c10::FunctionSchema* schema = node.maybeSchema();
      const bool pure = node.blocks().empty() && node.kind() != c10::prim::Param &&
                        !(schema && schema->is_mutable());
      sources.fixed = sources.fixed && pure && !node.isNondeterministic();
      for (std::size_t i = 0; i < node.inputs().size(); ++i) {
        if (!ignores_elements(node, i)) open.push_back(node.input(i));
      }
    }
  }
  return sources;
}

bool KnownValues::is_parameter(const jit::Value* value) const {
  const auto read = attribute(value);
  return !read ||
         (read->isTensor() && parameters_.count(read->toTensor().unsafeGetTensorImpl()) > 0);
}

std::optional<c10::IValue> KnownValues::attribute(const jit::Value* value) const {
  if (!is_kind(value, "prim::GetAttr")) return std::nullopt;
  const auto path = attribute_path(value);
  if (!path) return std::nullopt;
  c10::IValue owner = module_._ivalue();
  std::istringstream names(*path);
  for (std::string name; std::getline(names, name, '.');) {
    if (!owner.isObject() || !owner.toObject()->type()->hasAttribute(name)) return std::nullopt;
    owner = owner.toObject()->getAttr(name);
  }
  return owner;
}

}  // namespace salf::model
