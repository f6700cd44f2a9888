// What a rewrite must know of a graph's values before the graph runs: numbers, ranks, and casts
// that change nothing.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>

namespace torch::jit {
struct Block;
struct Graph;
struct Module;
struct Node;
struct Value;
}  // namespace torch::jit

namespace salf::model {

// The number of a tensor's dimensions, and how long its last one is where that is fixed.
struct KnownShape {
  std::int64_t rank = 0;
  std::optional<std::int64_t> last;
};

// What the elements of a value come from, its shape, dtype and device aside.
struct Sources {
  std::set<std::size_t> arguments;  // forward's, 0 is self
  // Else: a trainable parameter, the state at a cut, chance, a branch, or in-place work.
  bool fixed = true;
};

bool is_kind(const torch::jit::Node* node, const char* kind);
bool is_kind(const torch::jit::Value* value, const char* kind);
bool is_integer(const torch::jit::Value* value, std::int64_t expected);
bool is_bool(const torch::jit::Value* value, bool expected);
// A list of one known integer, as a constant or made where it is used.
bool is_list_of(const torch::jit::Value* list, std::int64_t expected);
// The one element of a list that is made where it is used; nullptr otherwise.
torch::jit::Value* only_element(const torch::jit::Value* list);
// The first or second input of the node, where the other one is `one`; nullptr otherwise.
torch::jit::Value* other_input(const torch::jit::Node* node, const torch::jit::Value* one);
// A constant number, also one in a tensor without dimensions, as traces have them.
std::optional<double> known_number(const torch::jit::Value* value);
bool is_number(const torch::jit::Value* value, double expected);  // to 1e-6 of its size
bool is_sum(const torch::jit::Node& node);                        // a + 1 · b
bool is_float32_or_none(const torch::jit::Value* dtype);
bool is_tensor_value(const torch::jit::Value* value);
bool has_one_use(const torch::jit::Value* value);
// Whether the operator looks at the shape, the dtype or the device of this input only.
bool ignores_elements(const torch::jit::Node& node, std::size_t input);

// Nothing is assumed: what no rule covers is unknown. Values made while the graph is rewritten are
// covered too; none may be destroyed before this object is.
class KnownValues {
 public:
  KnownValues(const torch::jit::Graph& graph, const torch::jit::Module& module);

  std::optional<KnownShape> shape(const torch::jit::Value* value);
  // Whether dimension `dimension` (an int value) of `tensor` is its last.
  bool is_last_dimension(const torch::jit::Value* dimension, const torch::jit::Value* tensor);
  // The value before casts to float32, where parameters, buffers and casts know no other floating
  // dtype and those change nothing. `value` is a result in floating point.
  torch::jit::Value* without_casts(torch::jit::Value* value) const;
  bool only_float32() const { return only_float32_; }
  Sources sources(const torch::jit::Value* value) const;
  // A value read from the module: a parameter, a buffer, a number.
  std::optional<c10::IValue> attribute(const torch::jit::Value* value) const;

 private:
  std::optional<KnownShape> find_shape(const torch::jit::Value* value);
  std::optional<KnownShape> elementwise(const torch::jit::Node& node);
  std::optional<KnownShape> rearranged(const torch::jit::Node& node);
  std::optional<KnownShape> piece(const torch::jit::Node& unpack);
  bool is_parameter(const torch::jit::Value* value) const;

  const torch::jit::Module& module_;
  std::size_t forward_inputs_ = 0;
  std::unordered_set<const c10::TensorImpl*> parameters_;
  bool only_float32_ = false;
  std::unordered_map<const torch::jit::Value*, std::optional<KnownShape>> shapes_;
};

}  // namespace salf::model
