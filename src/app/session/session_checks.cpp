#include "app/session/session_checks.h"

#include <system_error>

#include "core/log.h"
#include "tensor/cuda_driver.h"
#include "tensor/device.h"

namespace salf::app {

TypeChoice automatic_type(bool on_gpu) {
  if (on_gpu) {
    return tensor::gpu_multiplies_bf16()
               ? TypeChoice{c10::kBFloat16, "this GPU multiplies bf16 faster than f32"}
               : TypeChoice{c10::kFloat, "this GPU has no bf16 units (compute capability 8.0)"};
  }
  const std::string units = tensor::bf16_units();
  if (units.empty()) return {c10::kFloat, "this processor has no bf16 units"};
  return {c10::kBFloat16, "this processor multiplies bf16 in hardware (" + units + ")"};
}

void check_memory(const std::filesystem::path& archive, const core::UsableMemory& usable) {
  std::error_code failed;
  const std::uintmax_t bytes = std::filesystem::file_size(archive, failed);
  if (failed) return;
  core::check_memory(core::printable_path(archive) + ": loading it", bytes, usable,
      "analyze and train need less with --frozen-dtype int8 or int4, which load it from files");
}

}  // namespace salf::app
