#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>

#include <limits>

#include "model/rewrites/rewrites.h"

namespace salf::model {

namespace jit = torch::jit;

namespace {

// Where the last dimension of x is cut in two: at a fixed element, or at size / divisor.
struct Half {
  std::optional<std::int64_t> element;
  std::int64_t divisor = 0;
  bool operator==(const Half& other) const {
    return element == other.element && divisor == other.divisor;
  }
};

// cat(-x[n:], x[:n])
struct HalvesSwapped {
  jit::Value* x = nullptr;
  jit::Value* half = nullptr;  // n
};

// x * cos + swapped * sin
struct Turned {
  HalvesSwapped swapped;
  jit::Value* cos = nullptr;
  jit::Value* sin = nullptr;
};

bool is_last_size(const jit::Value* value, const jit::Value* x, KnownValues& known) {
  if (is_kind(value, "prim::NumToTensor")) value = value->node()->input(0);
  const jit::Node* node = value->node();
  return is_kind(node, "aten::size") && node->inputs().size() == 2 && node->input(0) == x &&
         known.is_last_dimension(node->input(1), x);
}

std::optional<Half> half_of(const jit::Value* value, const jit::Value* x, KnownValues& known) {
  if (const auto constant = jit::toIValue(value); constant && constant->isInt()) {
    const auto shape = known.shape(x);
    const bool inside =
        shape && shape->last && constant->toInt() >= 0 && constant->toInt() <= *shape->last;
    return inside ? std::optional(Half{constant->toInt(), 0}) : std::nullopt;
  }
  if (is_kind(value, "aten::Int")) value = value->node()->input(0);
  const jit::Node* node = value->node();
  if (!is_kind(node, "aten::floor_divide") && !is_kind(node, "aten::floordiv")) return std::nullopt;
  const auto divisor = known_number(node->input(1));
  if (!divisor || *divisor < 1 || !is_last_size(node->input(0), x, known)) return std::nullopt;
  return Half{std::nullopt, static_cast<std::int64_t>(*divisor)};
}

bool starts_at_zero(const jit::Node& slice) {
  return slice.input(2)->mustBeNone() || is_integer(slice.input(2), 0);
}

bool runs_to_the_end(const jit::Node& slice) {
  return slice.input(3)->mustBeNone() ||
         is_integer(slice.input(3), std::numeric_limits<std::int64_t>::max());
}

bool is_slice_of_last(const jit::Node& node, const jit::Value* x, KnownValues& known) {
  return is_kind(&node, "aten::slice") && node.input(0) == x &&
         known.is_last_dimension(node.input(1), x) && is_integer(node.input(4), 1) &&
         has_one_use(node.output());
}

std::optional<HalvesSwapped> halves_swapped(const jit::Value* value, KnownValues& known) {
  const jit::Node* joined = value->node();
  if (!is_kind(joined, "aten::cat") || !has_one_use(value)) return std::nullopt;
  const jit::Node* list = joined->input(0)->node();
  if (list->kind() != c10::prim::ListConstruct || list->inputs().size() != 2) return std::nullopt;
  const jit::Node* negative = list->input(0)->node();
  if (!is_kind(negative, "aten::neg") || !has_one_use(negative->output())) return std::nullopt;
  const jit::Node& second = *negative->input(0)->node();
  const jit::Node& first = *list->input(1)->node();
  if (!is_kind(&second, "aten::slice")) return std::nullopt;
  auto* x = const_cast<jit::Value*>(second.input(0));
  if (!is_slice_of_last(second, x, known) || !is_slice_of_last(first, x, known))
    return std::nullopt;
  if (!starts_at_zero(first) || !runs_to_the_end(second)) return std::nullopt;
  if (!known.is_last_dimension(joined->input(1), x)) return std::nullopt;
  const auto half = half_of(first.input(3), x, known);
  if (!half || !(half_of(second.input(2), x, known) == half)) return std::nullopt;
  return HalvesSwapped{x, const_cast<jit::Value*>(first.input(3))};
}

// The factor of a product of which the other one is `x`.
jit::Value* other_factor(const jit::Value* product, const jit::Value* x) {
  const jit::Node* node = product->node();
  if (!is_kind(node, "aten::mul") || !has_one_use(product)) return nullptr;
  jit::Value* other = other_input(node, x);
  return other != nullptr && is_tensor_value(other) ? other : nullptr;
}

std::optional<Turned> turned(
    const jit::Value* straight, const jit::Value* crossed, KnownValues& known) {
  if (!is_kind(crossed, "aten::mul")) return std::nullopt;
  for (const jit::Value* side : crossed->node()->inputs()) {
    const auto swapped = halves_swapped(side, known);
    if (!swapped) continue;
    jit::Value* sin = other_factor(crossed, side);
    jit::Value* cos = other_factor(straight, swapped->x);
    if (sin != nullptr && cos != nullptr) return Turned{*swapped, cos, sin};
  }
  return std::nullopt;
}

jit::Value* filled_row(jit::Node* before, jit::Value* like, jit::Value* length, double value) {
  jit::Graph* graph = before->owningGraph();
  jit::Value* shape = graph->insertNode(graph->createList(c10::IntType::get(), {length}))->output();
  return call(before, "aten::new_full", {like, shape, graph->insertConstant(value)});
}

// cat(-x[n:], x[:n]) is x rolled by C - n, and negative in as many places: the sign goes into the
// table, by a product, which broadcasts as the table did.
jit::Value* build_rotary(jit::Node* node, const Turned& parts, KnownValues& known) {
  jit::Graph* graph = node->owningGraph();
  jit::Value* x = parts.swapped.x;
  const auto shape = known.shape(x);
  const auto half = half_of(parts.swapped.half, x, known);
  jit::Value* positive = parts.swapped.half;
  jit::Value* shift = nullptr;
  if (shape && shape->last) {
    const std::int64_t n = half->element ? *half->element : *shape->last / half->divisor;
    positive = graph->insertConstant(n);
    shift = graph->insertConstant(*shape->last - n);
  } else {
    jit::Value* size = call(node, "aten::size", {x, graph->insertConstant(-1)});
    shift = call(node, "aten::sub", {size, positive});
  }
  jit::Value* minus = filled_row(node, parts.sin, shift, -1.0);
  jit::Value* plus = filled_row(node, parts.sin, positive, 1.0);
  jit::Value* rows =
      graph->insertNode(graph->createList(c10::TensorType::get(), {minus, plus}))->output();
  jit::Value* signs = call(node, "aten::cat", {rows, graph->insertConstant(-1)});
  jit::Value* table = call(node, "aten::mul", {parts.sin, signs});
  return call(node, "salf::rotary", {x, parts.cos, table, shift});
}

// The operator gives the tables no gradient, so nothing trainable may lie behind them.
bool are_fixed(const jit::Value* cos, const jit::Value* sin, const KnownValues& known) {
  return known.sources(cos).fixed && known.sources(sin).fixed;
}

}  // namespace

jit::Value* own_rotary(jit::Node* node, KnownValues& known) {
  if (node->kind() != c10::aten::addcmul || !is_integer(node->input(3), 1)) return nullptr;
  const jit::Value* product = node->input(0);
  const jit::Value* rolled = node->input(1);
  if (!is_kind(product, "aten::mul") || !is_kind(rolled, "aten::roll")) return nullptr;
  auto* x = const_cast<jit::Value*>(product->node()->input(0));
  auto* cos = const_cast<jit::Value*>(product->node()->input(1));
  const jit::Node* roll = rolled->node();
  jit::Value* shift = only_element(roll->input(1));
  if (roll->input(0) != x || shift == nullptr || !is_list_of(roll->input(2), -1)) return nullptr;
  if (!are_fixed(cos, node->input(2), known)) return nullptr;
  return call(node, "salf::rotary", {x, cos, node->input(2), shift});
}

jit::Value* spelled_rotary(jit::Node* node, KnownValues& known) {
  if (!is_sum(*node)) return nullptr;
  if (!known.only_float32()) return nullptr;
  for (const std::size_t side : {0U, 1U}) {
    const auto parts = turned(node->input(side), node->input(1 - side), known);
    if (parts && are_fixed(parts->cos, parts->sin, known)) return build_rotary(node, *parts, known);
  }
  return nullptr;
}

}  // namespace salf::model
