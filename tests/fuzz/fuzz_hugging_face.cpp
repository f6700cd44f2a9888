#include "convert/import/import.h"
#include "fuzz_input.h"

// The input is the config.json of a small Llama model, or the list of its shards.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using salf::testing::FuzzFolder;
  static const FuzzFolder folder;
  static const std::filesystem::path golden =
      std::filesystem::path(SALF_TEST_DATA) / "import_hf" / "llama";
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::string index = "model.safetensors.index.json";
  std::filesystem::copy(golden, folder.path(), std::filesystem::copy_options::overwrite_existing);
  folder.write(text.find("weight_map") == std::string::npos ? "config.json" : index, text);
  salf::testing::attempt([&] {
    salf::core::Progress progress;
    salf::convert::import_hugging_face(folder.path(), folder.path() / "model", progress, true);
  });
  return 0;
}
