#include "convert/families/families.h"

#include "core/log.h"
#include "core/text.h"

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

const Family& find_family(const HfConfig& config) {
  const std::string type = config.text("model_type", "");
  std::vector<std::string> known;
  for (const Family& family : families()) {
    known.emplace_back(family.model_type);
    if (type == family.model_type) return family;
  }
  config.refuse("model_type", "expected one of " + core::join(known, ", ") + ", got " +
                                  (type.empty() ? "nothing" : "'" + core::printable(type) + "'"));
}

}  // namespace salf::convert
