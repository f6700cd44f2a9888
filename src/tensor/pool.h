// Memory of large tensors on the CPU. Batches of varying length leave gaps in a heap: steps of LoRA
// on SmolLM2 hold 1.37 GiB there and 1.26 GiB here, and are 6 % faster on huge pages. Fresh
// pages for every tensor would leave no gaps, but cost a fifth of a step.
#pragma once

#include <cstdint>

namespace salf::tensor {

// From now on LibTorch's large CPU tensors have blocks of their own, on huge pages where the system
// has them. A freed block serves the next tensor of about its size. The pool holds little more than
// was in use at one time since the last trim_memory(). A second call does nothing.
void use_pool();

// Gives memory that is free back to the system, the pool's and the heap's.
void trim_memory();

// Gives the heap's free memory back where it is more than a tenth of the process's `anonymous`
// bytes.
void trim_wasteful_heap(std::int64_t anonymous);

}  // namespace salf::tensor
