#include "convert/gguf/stored_blocks.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <map>
#include <utility>

#include "convert/gguf/gguf_weights.h"
#include "core/log.h"
#include "tensor/shapes.h"

namespace salf::convert {
namespace {

constexpr const char* kSchemaKey = "schema";
constexpr const char* kSchema = "salf.stored-blocks/1";
constexpr const char* kModelKey = "model";

// The checked file.
class StoredFile {
 public:
  struct Matrix {
    tensor::TensorEntry entry;
    TensorType type = TensorType::kF32;

    std::int64_t rows() const { return entry.shape[0]; }
    std::int64_t row_bytes() const { return entry.shape[1]; }
    std::int64_t columns() const {
      return row_bytes() / block_layout(type).bytes * block_layout(type).elements;
    }
  };

  StoredFile(const std::filesystem::path& path, const std::string& archive_hash) : file_(path) {
    if (metadata(kSchemaKey) != kSchema)
      fail(std::string("expected the schema ") + kSchema + ", got '" +
           core::printable(metadata(kSchemaKey)) + "'");
    if (metadata(kModelKey) != archive_hash) {
      fail(
          "these blocks belong to another model.pt (its SHA-256 differs); import the GGUF file "
          "again, or leave out --frozen-dtype gguf");
    }
    for (const tensor::TensorEntry& entry : file_.entries()) add(entry);
    if (matrices_.empty()) fail("it holds no matrices");
  }

  const Matrix* find(const std::string& name) const {
    const auto found = matrices_.find(name);
    return found == matrices_.end() ? nullptr : &found->second;
  }
  const std::uint8_t* data(const Matrix& matrix) const { return file_.data(matrix.entry); }

  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(ErrorKind::kBadInput, core::printable_path(file_.path()) + ": " + problem);
  }

 private:
  std::string metadata(const std::string& key) const {
    const auto found = file_.metadata().find(key);
    return found == file_.metadata().end() ? "" : found->second;
  }

  void add(const tensor::TensorEntry& entry) {
    const std::string type = metadata(entry.name);
    const std::optional<TensorType> known = tensor_type(type);
    const std::string where = "tensor " + core::printable(entry.name);
    if (!known)
      fail(where + ": expected an encoding of " + supported_tensor_types() + ", got '" +
           core::printable(type) + "'");
    const bool whole = entry.type == c10::kByte && entry.shape.size() == 2 && entry.shape[0] > 0 &&
                       entry.shape[1] > 0 && entry.shape[1] % block_layout(*known).bytes == 0;
    if (!whole)
      fail(where + ": expected rows of whole " + type + " blocks of " +
           std::to_string(block_layout(*known).bytes) + " bytes");
    matrices_.emplace(entry.name, Matrix{entry, *known});
  }

  tensor::MappedTensorFile file_;
  std::map<std::string, Matrix> matrices_;
};

// Decodes rows straight out of the mapped file.
class StoredMatrix final : public model::PackedMatrix {
 public:
  StoredMatrix(std::shared_ptr<const StoredFile> file, const StoredFile::Matrix& matrix)
      : file_(std::move(file)), matrix_(matrix) {}

  void unpack_(at::Tensor& out) const override {
    constexpr std::int64_t kElements = 16384;  // of one task at least
    const std::int64_t columns = out.size(1);
    const std::uint8_t* const data = file_->data(matrix_);
    auto* const values = out.mutable_data_ptr<float>();
    at::parallel_for(0, matrix_.rows(), std::max<std::int64_t>(1, kElements / columns),
        [&](std::int64_t first, std::int64_t last) {
          dequantize(matrix_.type, data + first * matrix_.row_bytes(), (last - first) * columns,
              values + first * columns);
        });
  }
  std::int64_t bytes() const override { return matrix_.rows() * matrix_.row_bytes(); }

 private:
  std::shared_ptr<const StoredFile> file_;
  const StoredFile::Matrix& matrix_;  // of the file
};

std::filesystem::path existing(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / kStoredBlocks;
  if (std::filesystem::is_regular_file(path)) return path;
  throw Error(ErrorKind::kUsage,
      core::printable_path(directory) +
          ": --frozen-dtype gguf needs a model that salf import made from a "
          "quantised GGUF file: there is no " +
          kStoredBlocks + "; import the file (again), or choose bf16, int8 or int4");
}

}  // namespace

model::Packer stored_blocks(
    const std::filesystem::path& directory, const std::string& archive_hash) {
  const auto file = std::make_shared<const StoredFile>(existing(directory), archive_hash);
  return [file](const std::string& name,
             const at::Tensor& matrix) -> std::unique_ptr<model::PackedMatrix> {
    const StoredFile::Matrix* const stored = file->find(name);
    if (stored == nullptr) return nullptr;
    if (matrix.size(0) != stored->rows() || matrix.size(1) != stored->columns()) {
      file->fail("tensor " + core::printable(name) + ": expected " + tensor::shape_text(matrix) +
                 " as in the model, got " +
                 tensor::sizes_text({stored->rows(), stored->columns()}));
    }
    return std::make_unique<StoredMatrix>(file, *stored);
  };
}

std::vector<tensor::TensorPlan> plan_stored_blocks(
    const GgufWeights& weights, const Decoder& decoder) {
  std::vector<tensor::TensorPlan> plans;
  for (const ExpectedTensor& tensor : planned_tensors(decoder.program)) {
    if (tensor.shape.size() != 2 || tensor.name.rfind(decoder.blocks_path + ".", 0) != 0) continue;
    const std::optional<TensorType> type = weights.type(tensor.name);
    if (!type || *type == TensorType::kF32) continue;
    const BlockLayout layout = block_layout(*type);
    plans.push_back({tensor.name, c10::kByte,
        {tensor.shape[0], tensor.shape[1] / layout.elements * layout.bytes}});
  }
  return plans;
}

void write_stored_blocks(const std::filesystem::path& path,
    const std::vector<tensor::TensorPlan>& plans, const GgufWeights& weights,
    const std::string& archive_hash) {
  std::map<std::string, std::string> metadata = {{kSchemaKey, kSchema}, {kModelKey, archive_hash}};
  for (const tensor::TensorPlan& plan : plans)
    metadata[plan.name] = tensor_type_name(*weights.type(plan.name));
  tensor::write_tensor_file(path, plans, metadata,
      [&weights](const tensor::TensorPlan& plan) { return weights.encoded(plan.name); });
}

}  // namespace salf::convert
