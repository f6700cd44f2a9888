// What a machine offers for --device cuda.
#pragma once

#include "app/doctor/doctor.h"

namespace salf::app {

// Loads the driver's libraries, LibTorch's CUDA part and libsalf_cuda.so in a process of its own
// each, for a minute at most. `root` as in examine_machine.
CudaFacts find_cuda(const std::filesystem::path& root);

}  // namespace salf::app
