#include "fuzz_input.h"
#include "salf/core/json.h"
#include "salf/data/dataset.h"
#include "salf/model/model_directory.h"
#include "salf/types/evaluation.h"
#include "salf/types/validate.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using Path = std::filesystem::path;
  salf::testing::fuzz(data, size, [](const Path& path) { salf::types::read_profile(path); });
  salf::testing::fuzz(data, size, [](const Path& path) { salf::types::read_plan(path); });
  salf::testing::fuzz(data, size, [](const Path& path) { salf::types::read_run(path); });
  salf::testing::fuzz(data, size, [](const Path& path) { salf::types::read_evaluation(path); });
  salf::testing::fuzz(data, size, [](const Path& path) { salf::types::read_dev_losses(path); });
  salf::testing::fuzz(data, size, [](const Path& path) {
    salf::core::read_document<salf::model::ModelCard>(path);
  });
  // As a command reads --config.
  return salf::testing::fuzz(data, size, [](const Path& path) {
    salf::data::DataOptions options;
    salf::core::from_json(salf::core::read_json_file(path), path.string(), options);
  });
}
