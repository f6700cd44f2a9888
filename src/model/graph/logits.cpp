#include "model/graph/logits.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>

#include "core/error.h"
#include "model/rewrites/known_values.h"
#include "tensor/shapes.h"

namespace salf::model {

namespace jit = torch::jit;

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
  throw Error(ErrorKind::kBadModel, "forward should give logits [B, T, V] = [" +
                                        std::to_string(batch.rows()) + ", " +
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
  throw Error(ErrorKind::kBadModel,
      "forward should return logits, or a tuple or dictionary that holds them; it returns " +
          output->type()->annotation_str());
}

}  // namespace salf::model
