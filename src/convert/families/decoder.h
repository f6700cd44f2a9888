// A decoder of any source: its sizes, constants and program. The program is planned before any
// weight is read, so it tells which tensors a file must hold.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/progress.h"

namespace torch::jit {
struct Module;
}

namespace salf::convert {

// Far above any real model. Each block is planned before its tensors are looked for.
inline constexpr std::int64_t kMostBlocks = 10000;

// Rotary positions: pair i of a head turns by frequencies[i] radians per token.
struct RotaryConfig {
  std::string type = "default";  // transformers' rope_type
  double theta = 0.0;            // 0: not known
  double factor = 1.0;           // of linear scaling
  std::vector<double> frequencies;
  // LongRoPE: the frequencies for inputs of more than short_context tokens. Empty for other types.
  std::vector<double> long_frequencies;
  std::int64_t short_context = 0;
  double scale = 1.0;  // of the rotated elements
};

struct DecoderConfig {
  std::string architecture;  // model_type of transformers: "llama", "qwen2", …
  std::int64_t blocks = 0;   // L
  std::int64_t hidden = 0;   // D
  std::int64_t feed_forward = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t vocabulary = 0;  // V
  std::int64_t context = 0;
  double epsilon = 0.0;  // of the norms
  std::string activation = "silu";
  RotaryConfig rotary;
  std::optional<RotaryConfig> window_rotary;  // of the windowed blocks, where it is another one
  std::vector<bool> unturned;                 // per block: without rotary positions; empty: none
  std::int64_t window = 0;     // tokens that a windowed block sees, with its own; 0: no windows
  std::vector<bool> windowed;  // per block; empty: none
  bool qkv_bias = false;
  bool output_bias = false;  // of the attention's output projection
  bool feed_forward_bias = false;
  bool tied = false;  // the head is the embedding

  std::int64_t query_rows() const { return heads * head_dim; }
  std::int64_t kv_rows() const { return kv_heads * head_dim; }
};

struct PlannedParameter {
  std::string name;  // "weight"
  std::vector<std::int64_t> shape;
  std::string tied_to;  // full name of an earlier parameter that shares its tensor, or ""
};

struct PlannedAttribute {
  std::string name;
  std::variant<std::int64_t, double, std::vector<double>> value;
};

struct ModulePlan {
  std::string member;      // its name within its parent; "" for the outermost
  std::string class_name;  // modules of one class have one source and members of the same kinds
  std::string source;      // TorchScript of its methods; "" for a mere container
  std::vector<PlannedParameter> parameters;
  std::vector<PlannedAttribute> attributes;
  std::vector<ModulePlan> children;
};

struct Decoder {
  DecoderConfig config;
  std::string blocks_path;  // "model.layers"
  ModulePlan program;       // forward(input_ids, attention_mask: Optional = None) -> logits
};

struct ExpectedTensor {
  std::string name;  // "model.layers.0.self_attn.q_proj.weight"
  std::vector<std::int64_t> shape;
};

// The tensors of the plan, in its order. A tied one comes once, under its first name.
std::vector<ExpectedTensor> planned_tensors(const ModulePlan& plan);

// At most eight problems, then how many more there are: "A; B; and 3 more".
std::string list_problems(const std::vector<std::string>& problems);

class WeightSource {
 public:
  virtual ~WeightSource() = default;
  // A new tensor of the planned shape, float32, that requires gradients.
  // REQUIRES: the source has it
  virtual at::Tensor read(const std::string& name) const = 0;
};

// In eval mode. Its classes are __torch__.salf.FAMILY.CLASS. Tensors are read one by one.
torch::jit::Module build_module(const ModulePlan& plan, const std::string& family,
    const WeightSource& weights, core::Progress& progress);

}  // namespace salf::convert
