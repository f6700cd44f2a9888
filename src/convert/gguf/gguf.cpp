#include "convert/gguf/gguf.h"

#include "core/error.h"

namespace salf::convert {

GgufFile::GgufFile(const std::filesystem::path& path)
    : path_(path), file_(path), content_(parse_gguf(file_, path.string())) {
  for (std::size_t i = 0; i < tensors().size(); ++i) tensor_index_.emplace(tensors()[i].name, i);
}

void GgufFile::refuse(const std::string& message) const {
  throw Error(ErrorKind::kBadModel, path_.string() + ": " + message);
}

const GgufTensor* GgufFile::find(const std::string& name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors()[found->second];
}

}  // namespace salf::convert
