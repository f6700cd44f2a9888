// Frozen blocks in few bits while they are used.
#pragma once

#include "app/session/model_options.h"
#include "app/session/session.h"
#include "model/weights/quantized_blocks.h"

namespace salf::app {

// The folder in which weights should lie: `folder` if frozen blocks are quantised to save memory,
// else "" (the heap).
std::filesystem::path scratch_for(FrozenType type, const std::filesystem::path& folder);

// About the bytes of an element of a frozen matrix; 0 where they are as the model has them.
double frozen_bytes(FrozenType type);

// Throws where blocks of this type cannot be had for the model, before anything long starts.
void check_frozen_type(FrozenType type, const Session& session);

// A session whose first blocks are in few bits. While it lives, the one that it was made of cannot
// run.
struct QuantizedSession {
  std::unique_ptr<model::QuantizedBlocks> blocks;  // null: the session is an ordinary copy
  Session session;
};

// The first `count` blocks in few bits; all as they are for f32. int8 and int4 are fitted to
// documents of the train split that the seed draws, the same for every count. Throws as
// QuantizedBlocks and convert::stored_blocks do.
QuantizedSession quantize_blocks(FrozenType type, const Session& session, std::int64_t count);

}  // namespace salf::app
