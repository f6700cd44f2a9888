#include "families.h"

namespace salf::convert {

const std::vector<Family>& families() {
  constexpr const char* kModel = "model.";
  constexpr const char* kEmbedding = "model.embed_tokens.weight";
  static const std::vector<Family> kFamilies = {
      {"llama", "LlamaForCausalLM", kModel, kEmbedding, &read_llama},
      {"mistral", "MistralForCausalLM", kModel, kEmbedding, &read_mistral},
      {"qwen2", "Qwen2ForCausalLM", kModel, kEmbedding, &read_qwen2},
      {"qwen3", "Qwen3ForCausalLM", kModel, kEmbedding, &read_qwen3},
      {"gemma2", "Gemma2ForCausalLM", kModel, kEmbedding, &read_gemma2},
      {"phi3", "Phi3ForCausalLM", kModel, kEmbedding, &read_phi3},
      {"olmo2", "Olmo2ForCausalLM", kModel, kEmbedding, &read_olmo2},
      {"gpt2", "GPT2LMHeadModel", "transformer.", "transformer.wte.weight", &read_gpt2}};
  return kFamilies;
}

}  // namespace salf::convert
