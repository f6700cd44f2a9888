#include "data/tokenizer/tokenizer.h"
#include "fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return salf::testing::fuzz(data, size, [](const std::filesystem::path& path) {
    const auto tokenizer = salf::data::load_tokenizer(path);
    tokenizer->decode(tokenizer->encode("Hello,  wörld 123 <s> \xf0\x9f\x98\x80 \xff\n\n don't"));
  });
}
