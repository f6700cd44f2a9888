#include "llama_module.h"

#include <torch/csrc/jit/api/module.h>

#include <map>
#include <memory>

#include "gguf_weights.h"
#include "llama_source.h"

namespace salf::convert {
namespace {

using torch::jit::Module;

// Makes modules of named classes. All blocks share one class, so the archive holds its code once.
class ModuleFactory {
 public:
  Module make(const std::string& name) {
    const auto known = classes_.find(name);
    if (known != classes_.end()) return Module(unit_, known->second);
    Module module(c10::QualifiedName("__torch__.salf.llama." + name), unit_);
    classes_.emplace(name, module.type());
    return module;
  }

  // Compiles the source for the first module of its class, after its attributes are there.
  void define(Module& module, const std::string& source) {
    if (module.type()->methods().empty()) module.define(source);
  }

 private:
  std::shared_ptr<torch::jit::CompilationUnit> unit_ = std::make_shared<torch::jit::CompilationUnit>();
  std::map<std::string, c10::ClassTypePtr> classes_;
};

class LlamaBuilder {
 public:
  LlamaBuilder(const GgufFile& file, const LlamaConfig& config, core::Progress& progress)
      : file_(file), config_(config), progress_(progress) {}

  Module build() {
    progress_.begin("decoding tensors", static_cast<std::int64_t>(llama_tensors(config_).size()), "tensors");
    Module model = factory_.make("CausalModel");
    const at::Tensor embedding = plain("token_embd.weight");
    model.register_module("model", decoder(embedding));
    // Tied: one tensor under both paths, stored once.
    model.register_module("lm_head", linear(config_.tied ? embedding : plain("output.weight")));
    factory_.define(model, llama_source::kCausalModel);
    model.eval();
    progress_.end();
    return model;
  }

 private:
  at::Tensor plain(const std::string& name) { return counted(read_weight(file_, name)); }

  at::Tensor rotary(const std::string& name) {
    if (!config_.rotary_rows_interleaved) return plain(name);
    return counted(read_rotary_weight(file_, name, config_.head_dim));
  }

  at::Tensor counted(at::Tensor weight) {
    progress_.update(++done_, "");
    return weight;
  }

  Module with_weight(const std::string& class_name, const char* source, const at::Tensor& weight) {
    Module module = factory_.make(class_name);
    module.register_parameter("weight", weight, /*is_buffer=*/false);
    factory_.define(module, source);
    return module;
  }

  Module linear(const at::Tensor& weight) { return with_weight("Linear", llama_source::kLinear, weight); }

  Module linear_with_bias(const at::Tensor& weight, const at::Tensor& bias) {
    Module module = factory_.make("LinearWithBias");
    module.register_parameter("weight", weight, /*is_buffer=*/false);
    module.register_parameter("bias", bias, /*is_buffer=*/false);
    factory_.define(module, llama_source::kLinearWithBias);
    return module;
  }

  Module norm(const std::string& name) {
    Module module = factory_.make("Norm");
    module.register_parameter("weight", plain(name), /*is_buffer=*/false);
    module.register_attribute("epsilon", c10::FloatType::get(), config_.epsilon);
    factory_.define(module, llama_source::kNorm);
    return module;
  }

  // `name` without ".weight"; `turned`: its output rows are rotated.
  Module projection(const std::string& name, bool turned) {
    const at::Tensor weight = turned ? rotary(name + ".weight") : plain(name + ".weight");
    if (!config_.qkv_bias) return linear(weight);
    return linear_with_bias(weight, turned ? rotary(name + ".bias") : plain(name + ".bias"));
  }

  Module attention(const std::string& prefix) {
    Module module = factory_.make("Attention");
    module.register_module("q_proj", projection(prefix + "attn_q", true));
    module.register_module("k_proj", projection(prefix + "attn_k", true));
    module.register_module("v_proj", projection(prefix + "attn_v", false));
    module.register_module("o_proj", linear(plain(prefix + "attn_output.weight")));
    module.register_attribute("heads", c10::IntType::get(), config_.heads);
    module.register_attribute("kv_heads", c10::IntType::get(), config_.kv_heads);
    module.register_attribute("head_dim", c10::IntType::get(), config_.head_dim);
    factory_.define(module, llama_source::kAttention);
    return module;
  }

  Module feed_forward(const std::string& prefix) {
    Module module = factory_.make("FeedForward");
    module.register_module("gate_proj", linear(plain(prefix + "ffn_gate.weight")));
    module.register_module("up_proj", linear(plain(prefix + "ffn_up.weight")));
    module.register_module("down_proj", linear(plain(prefix + "ffn_down.weight")));
    factory_.define(module, llama_source::kFeedForward);
    return module;
  }

  Module block(std::int64_t index) {
    const std::string prefix = "blk." + std::to_string(index) + ".";
    Module module = factory_.make("Block");
    module.register_module("self_attn", attention(prefix));
    module.register_module("mlp", feed_forward(prefix));
    module.register_module("input_layernorm", norm(prefix + "attn_norm.weight"));
    module.register_module("post_attention_layernorm", norm(prefix + "ffn_norm.weight"));
    factory_.define(module, llama_source::kBlock);
    return module;
  }

  Module decoder(const at::Tensor& embedding) {
    Module module = factory_.make("Decoder");
    module.register_module("embed_tokens", with_weight("Embedding", llama_source::kEmbedding, embedding));
    Module layers = factory_.make("Blocks");
    for (std::int64_t i = 0; i < config_.blocks; ++i) layers.register_module(std::to_string(i), block(i));
    module.register_module("layers", layers);
    module.register_module("norm", norm("output_norm.weight"));
    const c10::List<double> frequencies(config_.rope_frequencies());
    module.register_attribute("rotary_frequencies", c10::ListType::ofFloats(), frequencies);
    factory_.define(module, llama_source::decoder(config_.blocks));
    return module;
  }

  const GgufFile& file_;
  const LlamaConfig& config_;
  core::Progress& progress_;
  ModuleFactory factory_;
  std::int64_t done_ = 0;
};

}  // namespace

Module make_llama_module(const GgufFile& file, const LlamaConfig& config, core::Progress& progress) {
  return LlamaBuilder(file, config, progress).build();
}

}  // namespace salf::convert
