#include "model/graph/block_finder.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <map>
#include <unordered_set>

#include "core/text.h"
#include "model/rewrites/known_values.h"

namespace salf::model {

namespace jit = torch::jit;

namespace {

// Why a container is not the blocks' one; turned into one Error when no container fits.
struct NotBlocks {
  std::string reason;
};

struct Container {
  std::string path;
  std::size_t children = 0;
  bool nested = false;
};

// True for "" (self), for every path on the way to `path`, and for `path` itself.
bool leads_to(const std::string& part, const std::string& path) {
  return part.empty() || part == path || core::starts_with(path, part + ".");
}

std::size_t numbered_children(const jit::Module& module) {
  std::size_t count = 0;
  for (const auto& child : module.named_children()) {
    if (child.name != std::to_string(count)) return 0;
    ++count;
  }
  return count;
}

std::vector<Container> find_containers(const jit::Module& module) {
  std::vector<Container> containers;
  for (const auto& named : module.named_modules()) {
    const std::size_t children = numbered_children(named.value);
    if (children > 0) containers.push_back({named.name, children, false});
  }
  // What stands inside of another container (the layers of a block's MLP) comes after it, however
  // long it is.
  const auto nested = [&containers](const Container& inner) {
    return std::any_of(containers.begin(), containers.end(), [&inner](const Container& outer) {
      return outer.children > 1 && core::starts_with(inner.path, outer.path + ".");
    });
  };
  for (Container& container : containers) container.nested = nested(container);
  std::stable_sort(
      containers.begin(), containers.end(), [](const Container& a, const Container& b) {
        if (a.nested != b.nested) return b.nested;
        return a.children != b.children ? a.children > b.children : a.path.size() < b.path.size();
      });
  return containers;
}

std::optional<std::string> called_module(const jit::Node& node) {
  return node.kind() == c10::prim::CallMethod ? attribute_path(node.input(0)) : std::nullopt;
}

bool calls_inside(const jit::Block* block, const std::string& start) {
  const auto calls = [&start](const jit::Node* node) {
    const auto path = called_module(*node);
    return (path && core::starts_with(*path, start)) ||
           std::any_of(node->blocks().begin(), node->blocks().end(),
               [&](const jit::Block* inner) { return calls_inside(inner, start); });
  };
  return std::any_of(block->nodes().begin(), block->nodes().end(), calls);
}

std::vector<jit::Node*> block_calls(const jit::Graph& graph, const Container& container) {
  std::map<std::string, std::size_t> index;
  for (std::size_t i = 0; i < container.children; ++i)
    index[container.path + "." + std::to_string(i)] = i;
  std::vector<jit::Node*> calls;
  for (const jit::Node* node : graph.block()->nodes()) {
    const auto path = called_module(*node);
    const auto found = path ? index.find(*path) : index.end();
    if (found == index.end()) continue;
    if (found->second < calls.size())
      throw NotBlocks{"block " + *path + " is called more than once"};
    if (found->second > calls.size())
      throw NotBlocks{"the blocks are not called in the order of their numbers"};
    calls.push_back(const_cast<jit::Node*>(node));
  }
  if (calls.size() == container.children) return calls;
  for (const jit::Node* node : graph.block()->nodes()) {
    for (const jit::Block* inner : node->blocks()) {
      if (calls_inside(inner, container.path))
        throw NotBlocks{"the blocks are called inside a loop or a branch"};
    }
  }
  throw NotBlocks{"only " + std::to_string(calls.size()) + " of " +
                  std::to_string(container.children) + " blocks are called"};
}

// Every value of the top level that depends on one of the node's outputs.
std::unordered_set<const jit::Value*> dependents(const jit::Graph& graph, const jit::Node* of) {
  std::unordered_set<const jit::Value*> values(of->outputs().begin(), of->outputs().end());
  for (const jit::Node* node : graph.block()->nodes()) {
    const bool reads = std::any_of(node->inputs().begin(), node->inputs().end(),
        [&](const jit::Value* input) { return values.count(input) > 0; });
    if (reads) values.insert(node->outputs().begin(), node->outputs().end());
  }
  return values;
}

// Tensors that may be the hidden state after the last block: its output, or members of it.
std::vector<jit::Value*> last_outputs(const jit::Node* call) {
  std::vector<jit::Value*> values;
  for (const jit::Value* output : call->outputs()) {
    if (is_tensor_value(output)) values.push_back(const_cast<jit::Value*>(output));
    for (const auto& use : output->uses()) {
      if (use.user->kind() != c10::prim::TupleUnpack && use.user->kind() != c10::prim::TupleIndex)
        continue;
      for (jit::Value* member : use.user->outputs()) {
        if (is_tensor_value(member) && member->hasUses()) values.push_back(member);
      }
    }
  }
  return values;
}

class HiddenChain {
 public:
  HiddenChain(const BlockGraph& blocks, const jit::Module& module,
      std::vector<c10::IValue> arguments, const tensor::Batch& proof, c10::Device device)
      : blocks_(blocks), module_(module), arguments_(std::move(arguments)), proof_(proof),
        device_(device) {}

  std::vector<jit::Value*> find() {
    const std::size_t count = blocks_.calls.size();
    if (count < 2) throw NotBlocks{"a model needs at least two blocks to be cut"};
    std::vector<Place> places(count);
    for (std::size_t i = 1; i < count; ++i) {
      places[i - 1].name = "between blocks " + std::to_string(i - 1) + " and " + std::to_string(i);
      const auto after = dependents(*blocks_.graph, blocks_.calls[i - 1]);
      for (jit::Value* input : tensor_inputs(blocks_.calls[i])) {
        if (after.count(input) > 0) places[i - 1].candidates.push_back(input);
      }
    }
    places.back() = {"after the last block", last_outputs(blocks_.calls.back())};
    std::vector<jit::Value*> hidden = choose(places);
    hidden.insert(
        hidden.begin(), choose({{"before block 0", first_candidates(hidden.front())}}).front());
    return hidden;
  }

 private:
  struct Place {
    std::string name;
    std::vector<jit::Value*> candidates;
  };

  static std::vector<jit::Value*> tensor_inputs(const jit::Node* call) {
    std::vector<jit::Value*> values;
    for (std::size_t i = 1; i < call->inputs().size(); ++i) {
      if (is_tensor_value(call->input(i)))
        values.push_back(const_cast<jit::Value*>(call->input(i)));
    }
    return values;
  }

  // The place of the hidden state among the arguments is usually the same in each block.
  std::vector<jit::Value*> first_candidates(const jit::Value* second) const {
    const jit::Node* first_call = blocks_.calls[0];
    const jit::Node* second_call = blocks_.calls[1];
    for (std::size_t i = 1; i < second_call->inputs().size() && i < first_call->inputs().size();
         ++i) {
      jit::Value* same_place = const_cast<jit::Value*>(first_call->input(i));
      if (second_call->input(i) != second || !is_tensor_value(same_place)) continue;
      if (is_state(evaluate({same_place}).at(0))) return {same_place};
    }
    return tensor_inputs(first_call);
  }

  std::vector<c10::IValue> evaluate(const std::vector<jit::Value*>& values) const {
    const at::NoGradGuard no_grad;
    return Program(
        slice(blocks_.graph, {}, values), module_, device_, "find_blocks", Operators::kOriginal)
        .run(arguments_);
  }

  // A floating-point tensor [B, T, D].
  bool is_state(const c10::IValue& value) const {
    if (!value.isTensor()) return false;
    const at::Tensor& tensor = value.toTensor();
    return tensor.dim() == 3 && tensor.size(0) == proof_.rows() &&
           tensor.size(1) == proof_.length() && tensor.is_floating_point();
  }

  // All places are looked at in one run of the model.
  std::vector<jit::Value*> choose(const std::vector<Place>& places) const {
    std::vector<jit::Value*> all;
    for (const Place& place : places)
      all.insert(all.end(), place.candidates.begin(), place.candidates.end());
    const auto results = evaluate(all);
    std::vector<jit::Value*> chosen;
    auto result = results.begin();
    for (const Place& place : places) {
      jit::Value* state = nullptr;
      for (jit::Value* candidate : place.candidates) {
        if (!is_state(*result++) || candidate == state) continue;
        if (state != nullptr) throw NotBlocks{"more than one hidden state [B, T, D] " + place.name};
        state = candidate;
      }
      if (state == nullptr) throw NotBlocks{"no hidden state [B, T, D] " + place.name};
      chosen.push_back(state);
    }
    return chosen;
  }

  const BlockGraph& blocks_;
  const jit::Module& module_;
  std::vector<c10::IValue> arguments_;
  const tensor::Batch& proof_;
  c10::Device device_;
};

BlockGraph try_container(const jit::Module& module, const ForwardSignature& signature,
    const Container& container, const tensor::Batch& proof, c10::Device device) {
  BlockGraph blocks;
  blocks.container = container.path;
  blocks.graph = copy_forward(module);
  inline_calls(*blocks.graph, [&container](const jit::Node& node) {
    const auto path = called_module(node);
    return path && leads_to(*path, container.path);
  });
  blocks.calls = block_calls(*blocks.graph, container);
  blocks.logits = logits_value(*blocks.graph);
  blocks.hidden =
      HiddenChain(blocks, module, forward_arguments(signature, proof, device), proof, device)
          .find();
  return blocks;
}

}  // namespace

BlockGraph find_blocks(const jit::Module& module, const ForwardSignature& signature,
    const std::string& pattern, const tensor::Batch& proof, c10::Device device) {
  std::vector<std::string> reasons;
  for (const Container& container : find_containers(module)) {
    if (!pattern.empty() && container.path != pattern) continue;
    try {
      return try_container(module, signature, container, proof, device);
    } catch (const NotBlocks& no) {
      reasons.push_back(
          container.path + " (" + std::to_string(container.children) + " children): " + no.reason);
    }
  }
  constexpr std::size_t kShown = 4;
  if (reasons.size() > kShown) reasons.resize(kShown);
  const std::string looked = reasons.empty()
                                 ? "there is no module whose children are numbered from 0"
                                 : core::join(reasons, "; ");
  refuse("the blocks were not found: " + looked +
         ". --blocks PATH names them (the attribute path of the "
         "numbered blocks, such as model.layers)");
}

}  // namespace salf::model
