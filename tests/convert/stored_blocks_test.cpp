#include "convert/gguf/stored_blocks.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include <map>
#include <string>
#include <vector>

#include "convert/gguf/dequantize.h"
#include "convert/import/import.h"
#include "core/error.h"
#include "core/files.h"
#include "core/hash.h"
#include "model/graph/decoder_graph.h"
#include "model/graph/graph_cut.h"
#include "model/script_model.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "tensor/tensor_file.h"
#include "tiny_llama.h"

namespace salf::convert {
namespace {

using support::write_bytes;
using testing::expect_error;

// Rows are whole blocks of 256 numbers, which suits every encoding.
TinyLlama wide_llama() {
  TinyLlama model;
  model.hidden = model.feed_forward = 256;
  model.head_dim = 64;
  return model;
}

// Where a block holds half floats.
std::vector<std::size_t> scales_of(TensorType type) {
  const std::string name = tensor_type_name(type);
  if (name == "Q6_K") return {208};
  if (name == "Q2_K") return {80, 82};
  if (name == "Q4_0" || name == "Q5_0" || name == "Q8_0" || name == "IQ4_XS") return {0};
  return {0, 2};
}

// Random blocks whose scales are small numbers.
std::string random_blocks(TensorType type, std::int64_t elements) {
  const BlockLayout layout = block_layout(type);
  if (layout.elements == 1) {
    const at::Tensor values =
        (0.1 * at::randn({elements})).to(type == TensorType::kF16 ? at::kHalf : at::kBFloat16);
    return {static_cast<const char*>(values.const_data_ptr()), values.nbytes()};
  }
  const std::int64_t blocks = elements / layout.elements;
  const at::Tensor bytes = at::randint(0, 256, {blocks, layout.bytes}, at::kByte);
  for (const std::size_t place : scales_of(type)) {  // 0x14xx: about 0.001
    bytes.select(1, static_cast<std::int64_t>(place) + 1).fill_(0x14);
  }
  return {static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()};
}

// The blocks' matrices in this encoding, all else in float32.
std::string file_in(const TinyLlama& model, TensorType type) {
  support::GgufWriter writer = metadata_of(model);
  Weights plain;
  for (const auto& [name, tensor] : gguf_tensors(model, random_weights(model, 5))) {
    if (tensor.dim() != 2 || name.rfind("blk.", 0) != 0 || type == TensorType::kF32) {
      plain[name] = tensor;
    } else {
      writer.tensor(name, tensor.sizes().vec(), static_cast<std::uint32_t>(type),
          random_blocks(type, tensor.numel()));
    }
  }
  add_tensors(writer, plain);
  return writer.bytes();
}

class Stored : public ::testing::Test {
 protected:
  void SetUp() override { at::manual_seed(3); }

  ImportResult import_as(TensorType type) {
    core::Progress progress;
    return import_gguf(write_bytes(folder_ / "tiny.gguf", file_in(wide_llama(), type)), directory(),
        progress, true)
        .value();
  }
  std::filesystem::path directory() const { return folder_.path() / "model"; }
  std::filesystem::path file() const { return directory() / kStoredBlocks; }
  std::string hash() const { return core::sha256_file(directory() / "model.pt"); }
  model::ScriptModel load() const {
    return model::ScriptModel::load(directory() / "model.pt", c10::Device(c10::kCPU), false);
  }

  // Writes the file again, changed.
  template <class Change> void change(const Change& edit) {
    tensor::TensorFile content = tensor::read_tensor_file(file());
    edit(content);
    tensor::write_tensor_file(file(), content);
  }

  const testing::TemporaryFolder folder_;
  at::NoGradGuard no_grad_;
};

class StoredEncoding : public Stored, public ::testing::WithParamInterface<const char*> {};

TEST_P(StoredEncoding, ComputesTheSameBitsAsTheDecodedModel) {
  const TensorType type = *tensor_type(std::string(GetParam()));
  const ImportResult result = import_as(type);
  const BlockLayout layout = block_layout(type);
  const std::int64_t per_block = 256 * (256 + 128 + 128 + 256 + 3 * 256);
  EXPECT_EQ(result.stored_bytes, 2 * per_block / layout.elements * layout.bytes);
  const model::ScriptModel model = load();
  const model::GraphCut graph(model, "");
  const tensor::Batch batch = model::proof_batch();
  const model::Spaces before = graph.tap(batch);
  const at::Tensor suffix = graph.suffix(before.hidden[1], batch, 1);
  const model::QuantizedBlocks stored(model, graph, stored_blocks(directory(), hash()), 2);
  EXPECT_EQ(stored.bytes(), result.stored_bytes);
  const model::Spaces after = stored.graph().tap(batch);
  for (std::size_t i = 0; i < before.hidden.size(); ++i)
    EXPECT_TRUE(at::equal(after.hidden[i], before.hidden[i])) << i;
  EXPECT_TRUE(at::equal(after.final_state, before.final_state));
  EXPECT_GT((before.hidden[2] - before.hidden[0]).abs().max().item<double>(), 1e-3)
      << "the blocks matter";
  EXPECT_TRUE(at::equal(stored.graph().prefix(batch, 1), before.hidden[1]));
  EXPECT_TRUE(suffix.isfinite().all().item<bool>());
}

INSTANTIATE_TEST_SUITE_P(Types, StoredEncoding,
    ::testing::Values("Q4_1", "Q5_0", "Q8_0", "Q2_K", "Q4_K", "Q6_K", "IQ4_XS", "F16", "BF16"),
    [](const auto& type) { return std::string(type.param); });

TEST_F(Stored, FloatsHaveNoFileAndRemoveAnEarlierOne) {
  import_as(TensorType::kQ8_0);
  EXPECT_TRUE(std::filesystem::exists(file()));
  EXPECT_EQ(import_as(TensorType::kF32).stored_bytes, 0);
  EXPECT_FALSE(std::filesystem::exists(file()));
  expect_error(
      ErrorKind::kUsage, "import the file (again)", [&] { stored_blocks(directory(), hash()); });
}

TEST_F(Stored, BlocksOfOtherWeightsAreRefused) {
  import_as(TensorType::kQ8_0);
  expect_error(ErrorKind::kBadInput, "belong to another model.pt",
      [&] { stored_blocks(directory(), core::sha256("other")); });
}

TEST_F(Stored, FilesThatEndEarlyAreRefusedWhereverThatIs) {
  import_as(*tensor_type(std::string("Q4_K")));
  const std::string whole = core::read_file(file());
  for (const std::size_t size :
      {std::size_t{0}, std::size_t{5}, std::size_t{100}, whole.size() / 2, whole.size() - 1}) {
    write_bytes(file(), whole.substr(0, size));
    expect_error(ErrorKind::kBadInput, kStoredBlocks, [&] { stored_blocks(directory(), hash()); });
  }
}

TEST_F(Stored, WhatDoesNotFitIsRefusedByName) {
  import_as(*tensor_type(std::string("Q5_1")));
  const std::string whole = core::read_file(file());
  const std::string name = "model.layers.1.mlp.up_proj.weight";
  const auto refused = [&](const std::string& problem, const auto& edit) {
    write_bytes(file(), whole);
    change(edit);
    const model::ScriptModel model = load();
    const model::GraphCut graph(model, "");
    std::map<std::string, at::Tensor> before;
    for (const auto& parameter : model.parameters())
      before[parameter.name] = parameter.tensor.clone();
    expect_error(ErrorKind::kBadInput, problem, [&] {
      const model::QuantizedBlocks blocks(model, graph, stored_blocks(directory(), hash()), 2);
    });
    for (const auto& parameter : model.parameters())
      EXPECT_TRUE(at::equal(parameter.tensor, before.at(parameter.name)));
  };
  refused("salf.stored-blocks/1",
      [](tensor::TensorFile& file) { file.metadata["schema"] = "other/1"; });
  refused(
      "expected an encoding of", [&](tensor::TensorFile& file) { file.metadata[name] = "Q8_K"; });
  refused("expected an encoding of", [&](tensor::TensorFile& file) { file.metadata.erase(name); });
  refused("whole Q8_0 blocks of 34 bytes",
      [&](tensor::TensorFile& file) { file.metadata[name] = "Q8_0"; });
  refused("it holds no matrices", [](tensor::TensorFile& file) { file.tensors.clear(); });
  refused(
      "expected [256, 256] float32 as in the model, got [128, 256]", [&](tensor::TensorFile& file) {
        for (auto& named : file.tensors) {
          if (named.name == name) named.tensor = named.tensor.slice(0, 0, 128).contiguous();
        }
      });
  refused("whole Q5_1 blocks", [&](tensor::TensorFile& file) {
    for (auto& named : file.tensors) {
      if (named.name == name) named.tensor = named.tensor.flatten();
    }
  });
}

}  // namespace
}  // namespace salf::convert
