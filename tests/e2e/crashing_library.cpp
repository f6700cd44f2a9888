// A driver's library that ends the process that loads it.
#include <cstdlib>

namespace {
[[gnu::constructor]] void crash() { std::abort(); }
}  // namespace
