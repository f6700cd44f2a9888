#include "fuzz_input.h"
#include "model/graph/graph_cut.h"
#include "model/script_model.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return salf::testing::fuzz(data, size, [](const std::filesystem::path& path) {
    const auto model = salf::model::ScriptModel::load(path, c10::Device(c10::kCPU));
    const salf::model::GraphCut cut(model, "");
  });
}
