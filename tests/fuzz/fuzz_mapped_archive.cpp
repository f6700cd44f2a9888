#include <ATen/ATen.h>

#include "fuzz_input.h"
#include "model/scan/mapped_archive.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return salf::testing::fuzz(data, size, [](const std::filesystem::path& path) {
    const salf::model::MappedArchive archive(path);
    for (const auto& [name, tensor] : archive.tensors()) {
      if (tensor.nbytes() > tensor.storage().nbytes()) continue;
      static_cast<void>(tensor.detach().contiguous());  // reads every element
      archive.release(tensor);
    }
  });
}
