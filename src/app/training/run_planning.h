// What a training run asks its planning for.
#pragma once

#include <filesystem>
#include <optional>

#include "app/planning/planning.h"
#include "app/training/training_request.h"

namespace salf::app {

struct RunSoFar {
  const types::Budget& budget;  // of the whole
  const Session& session;       // of a pilot: with the sample
  const Session* all;           // of a pilot: with everything
  const std::optional<LoraStart>& lora;
  const std::filesystem::path& folder;
};

// The references must outlive the request.
PlanningRequest planning_request(const TrainingRequest& training, const RunSoFar& run);

}  // namespace salf::app
