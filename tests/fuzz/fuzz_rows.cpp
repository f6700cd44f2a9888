#include "core/progress.h"
#include "data/rows/dataset.h"
#include "fuzz_input.h"
#include "support/byte_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return salf::testing::fuzz(data, size, [](const std::filesystem::path& path) {
    const salf::testing::ByteTokenizer tokenizer;
    salf::core::Progress progress;
    salf::data::DataOptions options;
    options.data = {path.string()};
    options.chat_template = "qwen3";
    options.skip_bad = true;
    salf::data::load_dataset(options, tokenizer, 64, progress);
  });
}
