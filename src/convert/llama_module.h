// How do configuration, source and weights become a TorchScript module?
#pragma once

#include "llama_config.h"
#include "salf/convert/gguf.h"
#include "salf/core/progress.h"

namespace torch::jit {
struct Module;
}

namespace salf::convert {

// forward(input_ids, attention_mask: Optional = None) -> logits, in eval mode, float32 parameters that require
// gradients. Tensors are decoded one after another, each into its final place.
// REQUIRES: check_llama_tensors(file, config) has passed.
torch::jit::Module make_llama_module(const GgufFile& file, const LlamaConfig& config, core::Progress& progress);

}  // namespace salf::convert
