// LoRA branches as an adapter directory of PEFT:
// adapter_config.json, and adapter_model.safetensors with "base_model.model.MODULE.lora_A.weight"
// [R, I] and "….lora_B.weight" [O, R].
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/graph/graph_cut.h"
#include "model/script_model.h"
#include "types/lora_settings.h"

namespace salf::convert {

struct Adapter {
  types::LoraSettings settings;  // targets and blocks as found
  std::vector<model::LoraLayer> branches;
  double dropout = 0.0;  // what it was trained with; salf has none
  std::string
      base_hash;  // SHA-256 of the archive that salf trained it on; "" if another program made it
};

// What an adapter is written with besides its branches.
struct AdapterBase {
  std::string name;  // of the model, for people
  std::string hash;  // SHA-256 of its archive
};

// Writes both files into `directory`, which exists, each atomically. Throws Error(kIo).
// REQUIRES: branches, all of the rank and alpha of `settings`.
void write_peft_adapter(const std::filesystem::path& directory, const model::ScriptModel& model,
    const model::GraphCut& graph, const std::vector<model::LoraLayer>& branches,
    const types::LoraSettings& settings, const AdapterBase& base);

// Reads an adapter for this model; its matrices become float32 on the model's device. Those that
// began with PiSSA or OLoRA become ordinary ones of twice the rank. Throws
// Error(kIo), and Error(kBadInput) naming what does not fit: another kind of adapter (DoRA, trained
// biases or embeddings, a rank or an alpha of its own for some layers), a layer that the model does
// not have, other shapes, an A without its B.
Adapter read_peft_adapter(const std::filesystem::path& directory, const model::ScriptModel& model,
    const model::GraphCut& graph);

// Whether it began with PiSSA or OLoRA: its branches cancel a large part of the weights, which
// products in bf16 round too coarsely. Throws as read_peft_adapter() does.
bool cancels_weights(const std::filesystem::path& directory);

// SHA-256 of its files. Throws Error(kIo).
std::string peft_adapter_hash(const std::filesystem::path& directory);

}  // namespace salf::convert
