#include "fuzz_input.h"
#include "tensor/tensor_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return salf::testing::fuzz(
      data, size, [](const std::filesystem::path& path) { salf::tensor::read_tensor_file(path); });
}
