// The weights of a decoder in a GGUF file.
#pragma once

#include <optional>
#include <string>

#include "convert/gguf/gguf_config.h"

namespace salf::convert {

// REQUIRES: read_gguf_decoder(file) made the decoder. Both outlive it.
class GgufWeights final : public WeightSource {
 public:
  GgufWeights(const GgufFile& file, const GgufDecoder& decoder) : file_(file), decoder_(decoder) {}
  at::Tensor read(const std::string& name) const override;

  // The encoding of a matrix whose rows are the model's; nothing where they are its columns.
  std::optional<TensorType> type(const std::string& name) const;
  // A matrix as the file has it, its rows in the model's order: [rows, bytes of a row] u8.
  // REQUIRES: type(name)
  at::Tensor encoded(const std::string& name) const;

 private:
  struct Found;
  Found find(const std::string& name) const;

  const GgufFile& file_;
  const GgufDecoder& decoder_;
};

}  // namespace salf::convert
