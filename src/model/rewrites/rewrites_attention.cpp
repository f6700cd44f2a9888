#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>

#include <limits>

#include "model/rewrites/rewrites.h"

namespace salf::model {

namespace jit = torch::jit;

namespace {

enum class MaskKind { kNone, kAdded, kHidden };  // kHidden: −∞ where it is true

struct MaskedScores {
  jit::Value* scores = nullptr;
  jit::Value* mask = nullptr;
  MaskKind kind = MaskKind::kNone;
};

struct Scale {
  jit::Value* value = nullptr;  // nullptr: 1
  bool divides = false;
};

// q kᵀ · scale
struct Scores {
  jit::Value* q = nullptr;
  jit::Value* k = nullptr;
  Scale scale;
};

bool is_off(const jit::Node& dropout, const KnownValues& known) {
  if (is_bool(dropout.input(2), false) || is_number(dropout.input(1), 0.0)) return true;
  const auto training = known.attribute(dropout.input(2));
  return training && training->isBool() && !training->toBool();
}

// The value before casts and switched-off dropout; nullptr where something else uses a step
// between.
jit::Value* before_dropout(jit::Value* value, const KnownValues& known) {
  while (has_one_use(value)) {
    jit::Node* node = value->node();
    const bool steps_back = known.without_casts(value) != value ||
                            (is_kind(node, "aten::dropout") && is_off(*node, known));
    if (!steps_back) return value;
    value = node->input(0);
  }
  return nullptr;
}

std::optional<MaskedScores> masked_scores(jit::Value* value, KnownValues& known) {
  if (!has_one_use(value)) return std::nullopt;
  jit::Node* node = value->node();
  if (is_kind(node, "aten::masked_fill")) {
    const auto filled = known_number(node->input(2));
    if (!filled || *filled != -std::numeric_limits<double>::infinity()) return std::nullopt;
    return MaskedScores{node->input(0), node->input(1), MaskKind::kHidden};
  }
  if (!is_kind(node, "aten::add") || node->inputs().size() != 3)
    return MaskedScores{value, nullptr, MaskKind::kNone};
  if (!is_integer(node->input(2), 1) || !is_tensor_value(node->input(1))) return std::nullopt;
  // The scores are what the products end in; the mask is the other one.
  for (const std::size_t side : {0U, 1U}) {
    const jit::Node* scores = node->input(side)->node();
    const bool found = is_kind(scores, "aten::matmul") || is_kind(scores, "aten::mul") ||
                       is_kind(scores, "aten::div");
    if (found && known.shape(node->input(1 - side))) {
      return MaskedScores{node->input(side), node->input(1 - side), MaskKind::kAdded};
    }
  }
  return std::nullopt;
}

bool is_scale(const jit::Value* value) {
  return known_number(value).has_value() || value->type()->kind() == c10::TypeKind::FloatType;
}

std::optional<Scores> scores_of(jit::Value* value, KnownValues& known) {
  Scale scale;
  if (const bool divides = is_kind(value, "aten::div"); divides || is_kind(value, "aten::mul")) {
    jit::Node* node = value->node();
    if (!has_one_use(value) || node->inputs().size() != 2) return std::nullopt;
    const std::size_t side = divides || is_scale(node->input(1)) ? 1 : 0;
    if (!is_scale(node->input(side))) return std::nullopt;
    scale = Scale{node->input(side), divides};
    value = node->input(1 - side);
  }
  if (!is_kind(value, "aten::matmul") || !has_one_use(value)) return std::nullopt;
  jit::Value* transposed = value->node()->input(1);
  const jit::Node* swap = transposed->node();
  if (!is_kind(swap, "aten::transpose") || !has_one_use(transposed)) return std::nullopt;
  auto* k = const_cast<jit::Value*>(swap->input(0));
  const auto is_last_two = [&](const jit::Value* one, const jit::Value* other) {
    return known.is_last_dimension(one, k) && (is_integer(other, -2) || is_integer(other, 2));
  };
  if (!is_last_two(swap->input(1), swap->input(2)) && !is_last_two(swap->input(2), swap->input(1)))
    return std::nullopt;
  return Scores{value->node()->input(0), k, scale};
}

bool has_rank(const jit::Value* value, std::int64_t rank, KnownValues& known) {
  const auto shape = known.shape(value);
  return shape && shape->rank == rank;
}

jit::Value* scale_value(jit::Graph& graph, const Scale& scale) {
  if (scale.value == nullptr) return graph.insertConstant(1.0);
  const auto number = known_number(scale.value);
  if (number) return graph.insertConstant(scale.divides ? 1.0 / *number : *number);
  if (!scale.divides) return scale.value;
  return graph.insert(c10::aten::div, {graph.insertConstant(1.0), scale.value});
}

// What attention takes for a mask: true where it may look, or float32 to add.
jit::Value* mask_value(jit::Node* before, const MaskedScores& masked) {
  jit::Graph* graph = before->owningGraph();
  switch (masked.kind) {
    case MaskKind::kNone: return graph->insertConstant(c10::IValue());
    case MaskKind::kHidden: return call(before, "aten::logical_not", {masked.mask});
    case MaskKind::kAdded: break;
  }
  return graph->insert(c10::aten::to, {masked.mask, c10::kFloat});
}

}  // namespace

jit::Value* own_attention(jit::Node* node, KnownValues& /*known*/) {
  if (node->kind() != c10::aten::scaled_dot_product_attention) return nullptr;
  return call(node, "salf::attention", node->inputs().vec());
}

jit::Value* spelled_attention(jit::Node* node, KnownValues& known) {
  if (!is_kind(node, "aten::matmul") || !known.only_float32()) return nullptr;
  jit::Value* weights = before_dropout(node->input(0), known);
  if (weights == nullptr || !is_kind(weights, "aten::softmax")) return nullptr;
  jit::Node* softmax = weights->node();
  if (!is_float32_or_none(softmax->input(2))) return nullptr;
  const auto masked = masked_scores(softmax->input(0), known);
  const auto scores = masked ? scores_of(masked->scores, known) : std::nullopt;
  if (!scores) return nullptr;
  const bool four = has_rank(scores->q, 4, known) && has_rank(scores->k, 4, known) &&
                    has_rank(node->input(1), 4, known);
  if (!four || !(is_integer(softmax->input(1), -1) || is_integer(softmax->input(1), 3)))
    return nullptr;
  const auto mask = masked->mask != nullptr ? known.shape(masked->mask) : KnownShape{};
  if (!mask || mask->rank > 4) return nullptr;
  jit::Graph* graph = node->owningGraph();
  return graph->insert(c10::Symbol::fromQualString("salf::attention"),
      {scores->q, scores->k, node->input(1), mask_value(node, *masked)},
      {jit::NamedValue("scale", scale_value(*graph, scores->scale))});
}

}  // namespace salf::model
