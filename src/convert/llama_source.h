// What does an imported decoder of the Llama family compute? Its TorchScript source, one text per class.
#pragma once

#include <cstdint>
#include <string>

namespace salf::convert::llama_source {

extern const char* const kEmbedding;
extern const char* const kLinear;
extern const char* const kLinearWithBias;
extern const char* const kNorm;
extern const char* const kAttention;
extern const char* const kFeedForward;
extern const char* const kBlock;
extern const char* const kCausalModel;
// The decoder without the head; one call per block is written out, so that the blocks' calls stand in its graph.
std::string decoder(std::int64_t blocks);

}  // namespace salf::convert::llama_source
