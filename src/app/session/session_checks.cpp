#include "app/session/session_checks.h"

#include <system_error>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "tensor/device.h"

namespace salf::app {
namespace {

// What LibTorch and the program hold beside a model's weights.
constexpr std::uint64_t kBesideWeights = std::uint64_t{100} << 20;

}  // namespace

TypeChoice automatic_type(bool on_gpu) {
  if (on_gpu) return {c10::kBFloat16, "a GPU multiplies bf16 faster than f32"};
  const std::string units = tensor::bf16_units();
  if (units.empty()) return {c10::kFloat, "this processor has no bf16 units"};
  return {c10::kBFloat16, "this processor multiplies bf16 in hardware (" + units + ")"};
}

void check_memory(const std::filesystem::path& archive, const core::UsableMemory& usable) {
  std::error_code failed;
  const std::uintmax_t bytes = std::filesystem::file_size(archive, failed);
  if (failed || usable.bytes == 0) return;
  const std::uint64_t needed = bytes + kBesideWeights;
  const std::string name = core::printable_path(archive);
  if (needed > usable.with_swap) {
    throw Error(ErrorKind::kIo,
        name + ": loading it needs " + core::format_bytes(needed) + " of memory, and " +
            core::who_allows(usable) + " " + core::format_bytes(usable.with_swap) +
            "; analyze and train need less with --frozen-dtype int8 or int4, which load it from "
            "files");
  }
  if (needed > usable.free) {
    core::log_warning(name + ": loading it needs " + core::format_bytes(needed) +
                      " of memory, and " + core::format_bytes(usable.free) +
                      " are free now: it may be slow, or the system may end it");
  }
}

}  // namespace salf::app
