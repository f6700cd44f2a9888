#include "convert/gguf/gguf.h"
#include "fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return salf::testing::fuzz(data, size, [](const std::filesystem::path& path) {
    const salf::convert::GgufFile file(path);
    // Every byte that a tensor claims must be there.
    unsigned sum = 0;
    for (const auto& tensor : file.tensors()) {
      for (std::uint64_t i = 0; i < tensor.bytes; ++i) sum += file.data(tensor)[i];
    }
    static volatile unsigned used;
    used = sum;
  });
}
