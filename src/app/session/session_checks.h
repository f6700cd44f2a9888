// What a session rests on before its model is loaded: the type that --dtype auto means, and memory
// for the weights.
#pragma once

#include <c10/core/ScalarType.h>

#include <filesystem>
#include <string>

#include "core/machine.h"

namespace salf::app {

struct TypeChoice {
  c10::ScalarType type = c10::kFloat;
  std::string reason;
};

// What --dtype auto means on this machine, for models that can be run so.
TypeChoice automatic_type(bool on_gpu);

// For an archive that is loaded into memory as a whole. Throws Error(kIo) with the figure that
// would do where `usable` with its swap space is less; warns where less is free now.
void check_memory(const std::filesystem::path& archive, const core::UsableMemory& usable);

}  // namespace salf::app
