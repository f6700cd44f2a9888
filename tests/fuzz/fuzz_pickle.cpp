#include <string_view>

#include "fuzz_input.h"
#include "model/scan/pickle_scan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  salf::testing::attempt([&] {
    salf::model::scan_pickle(
        "pickle", bytes, [](const std::string&) { return std::uint64_t{4096}; });
  });
  return 0;
}
