#include "core/json.h"
#include "data/rows/dataset.h"
#include "fuzz_input.h"
#include "model/model_directory.h"
#include "types/evaluation.h"
#include "types/validate.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using Path = std::filesystem::path;
  salf::testing::fuzz(data, size, [](const Path& path) { salf::types::read_profile(path); });
  salf::testing::fuzz(data, size, [](const Path& path) { salf::types::read_plan(path); });
  salf::testing::fuzz(data, size, [](const Path& path) { salf::types::read_run(path); });
  salf::testing::fuzz(data, size, [](const Path& path) { salf::types::read_evaluation(path); });
  salf::testing::fuzz(data, size, [](const Path& path) { salf::types::read_dev_losses(path); });
  salf::testing::fuzz(data, size,
      [](const Path& path) { salf::core::read_document<salf::model::ModelCard>(path); });
  // As a command reads --config.
  return salf::testing::fuzz(data, size, [](const Path& path) {
    salf::data::DataOptions options;
    salf::core::from_json(salf::core::read_json_file(path), path.string(), options);
  });
}
