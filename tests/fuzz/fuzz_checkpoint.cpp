#include "fuzz_input.h"
#include "train/run/checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using salf::testing::FuzzFolder;
  static const FuzzFolder folder;
  folder.write("checkpoint-0000000007.safetensors", {reinterpret_cast<const char*>(data), size});
  salf::testing::attempt([&] { salf::train::read_latest_checkpoint(folder.path()); });
  return 0;
}
