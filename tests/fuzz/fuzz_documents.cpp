#include "fuzz_input.h"
#include "salf/types/validate.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  salf::testing::fuzz(data, size, [](const std::filesystem::path& path) { salf::types::read_profile(path); });
  salf::testing::fuzz(data, size, [](const std::filesystem::path& path) { salf::types::read_plan(path); });
  return salf::testing::fuzz(data, size, [](const std::filesystem::path& path) { salf::types::read_run(path); });
}
