// LoRA's branches at the start of a run: new ones, or those of an adapter.
#pragma once

#include "app/session/session.h"
#include "convert/adapter/peft_adapter.h"
#include "types/lora_settings.h"

namespace salf::app {

struct LoraStart {
  types::LoraSettings settings;
  std::vector<model::LoraLayer> branches;  // for every block that may have some
  std::optional<std::int64_t> cut;         // that follows from it, if one does
};

// Throws as convert::read_peft_adapter does, and Error(kBadInput) if salf trained the adapter on
// other weights.
convert::Adapter open_adapter(const std::string& path, const Session& session);

// New branches, drawn by the session's seed. Throws Error(kUsage) for blocks that the model does
// not have, targets that match nothing and ranks that are too large.
LoraStart new_lora(const types::LoraSettings& settings, const Session& session);

// The branches of the session's adapter if it has one, new ones by these settings, or nothing.
// Throws as new_lora and open_adapter do.
std::optional<LoraStart> start_lora(
    const std::optional<types::LoraSettings>& settings, const Session& session);

// New branches with the usual settings; nothing where a matrix of the model is too small for them.
std::optional<LoraStart> usual_lora(const Session& session);

// The cut that is asked for, or that follows from LoRA's blocks. Throws Error(kUsage) if they
// contradict each other.
std::optional<std::int64_t> wanted_cut(
    const std::optional<LoraStart>& lora, const std::optional<std::int64_t>& asked);

// The branches above a cut.
std::vector<model::LoraLayer> branches_above(
    const std::vector<model::LoraLayer>& branches, std::int64_t cut);

// Elements that are trained in each block (ModelShape::block_trained_parameters).
std::vector<std::int64_t> trained_of_blocks(const types::ModelShape& shape, const LoraStart& lora);

}  // namespace salf::app
