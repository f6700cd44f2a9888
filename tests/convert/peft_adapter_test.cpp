#include "convert/adapter/peft_adapter.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include <fstream>
#include <functional>
#include <limits>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "model/weights/lora.h"
#include "support/temporary_folder.h"
#include "support/tiny_model.h"
#include "tensor/tensor_file.h"

namespace salf::convert {
namespace {

using ::testing::HasSubstr;

class PeftAdapter : public ::testing::Test {
 protected:
  PeftAdapter() {
    settings_.rank = 2;
    settings_.alpha = 6.0;
    std::vector<model::LinearLayer> layers;
    for (const auto& layer : graph_.linear_layers()) {
      if (layer.block >= 1) layers.push_back(layer);
    }
    branches_ = model::make_lora(model_, layers, {2, 6.0, false}, 1);
    for (auto& branch : branches_) branch.b.normal_();
    write_peft_adapter(folder_.path(), model_, graph_, branches_, settings_, {"tiny", "abc"});
  }

  Adapter read() const { return read_peft_adapter(folder_.path(), model_, graph_); }

  void change_config(const std::function<void(core::Json&)>& change) const {
    core::Json config = core::read_json_file(folder_.path() / "adapter_config.json");
    change(config);
    core::write_json_file(folder_.path() / "adapter_config.json", config);
  }
  void change_weights(const std::function<void(tensor::TensorFile&)>& change) const {
    tensor::TensorFile file =
        tensor::read_tensor_file(folder_.path() / "adapter_model.safetensors");
    for (auto& named : file.tensors) named.tensor = named.tensor.clone();
    change(file);
    tensor::write_tensor_file(folder_.path() / "adapter_model.safetensors", file);
  }
  void expect_refused(const std::string& reason) const {
    try {
      read();
      FAIL() << "expected an error about " << reason;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
      EXPECT_THAT(std::string(error.what()), HasSubstr(reason));
    }
  }

  const testing::TemporaryFolder folder_;
  model::ScriptModel model_{support::make_tiny_decoder(3, 16, 50, 5)};
  model::GraphCut graph_{model_, ""};
  types::LoraSettings settings_;
  std::vector<model::LoraLayer> branches_;
};

TEST_F(PeftAdapter, ComesBackBitForBit) {
  const Adapter adapter = read();
  ASSERT_EQ(adapter.branches.size(), branches_.size());
  for (std::size_t i = 0; i < branches_.size(); ++i) {
    EXPECT_EQ(adapter.branches[i].layer.module, branches_[i].layer.module);
    EXPECT_TRUE(at::equal(adapter.branches[i].a, branches_[i].a));
    EXPECT_TRUE(at::equal(adapter.branches[i].b, branches_[i].b));
    EXPECT_EQ(adapter.branches[i].scale, 3.0);
  }
  EXPECT_EQ(adapter.settings.rank, 2);
  EXPECT_EQ(adapter.settings.blocks->first, 1);
  EXPECT_EQ(adapter.settings.blocks->last, 2);
  EXPECT_EQ(adapter.base_hash, "abc");
}

TEST_F(PeftAdapter, IsNamedAsPeftNamesIt) {
  const tensor::TensorFile file =
      tensor::read_tensor_file(folder_.path() / "adapter_model.safetensors");
  EXPECT_EQ(
      file.tensors.front().name, "base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight");
  const core::Json config = core::read_json_file(folder_.path() / "adapter_config.json");
  EXPECT_EQ(config["peft_type"], "LORA");
  EXPECT_EQ(config["layers_to_transform"], (core::Json{1, 2}));
  EXPECT_EQ(config["layers_pattern"], "layers");
  EXPECT_EQ(config["target_modules"].size(), 7);
  EXPECT_EQ(config["target_modules"][0], "down_proj");
}

TEST_F(PeftAdapter, RefusesOtherKindsByTheirKey) {
  change_config([](core::Json& config) { config["use_dora"] = true; });
  expect_refused("use_dora");
  change_config([](core::Json& config) {
    config["use_dora"] = false;
    config["rank_pattern"] = {{"q_proj", 4}};
  });
  expect_refused("rank_pattern");
  change_config([](core::Json& config) {
    config["rank_pattern"] = core::Json::object();
    config["bias"] = "all";
  });
  expect_refused("bias");
  change_config([](core::Json& config) {
    config["bias"] = "none";
    config["peft_type"] = "IA3";
  });
  expect_refused("peft_type");
  change_config([](core::Json& config) {
    config["peft_type"] = "LORA";
    config["r"] = 1e300;
  });
  expect_refused("r: expected");
}

TEST_F(PeftAdapter, RefusesAdaptersThatChangeTheBase) {
  for (const char* start : {"pissa_niter_16", "corda", "loftq"}) {
    change_config([&](core::Json& config) { config["init_lora_weights"] = start; });
    expect_refused("init_lora_weights");
  }
  change_config([](core::Json& config) { config["init_lora_weights"] = "gaussian"; });
  EXPECT_NO_THROW(read());
}

// What is left of W by the first branch, and what PEFT defines it to be.
TEST_F(PeftAdapter, TakesTheStartOfPissaAndOloraOffTheBase) {
  for (const bool stabilized : {false, true}) {
    for (const std::string start : {"pissa", "olora"}) {
      change_config([&](core::Json& config) {
        config["init_lora_weights"] = start;
        config["use_rslora"] = stabilized;
      });
      const Adapter adapter = read();
      const types::LoraSettings& said = adapter.settings;
      EXPECT_EQ(said.rank, 4);
      for (std::size_t i = 0; i < branches_.size(); ++i) {
        const model::LoraLayer& branch = adapter.branches[i];
        EXPECT_NEAR(
            branch.scale, (model::LoraScale{said.rank, said.alpha, stabilized}.factor()), 1e-12);
        const at::Tensor weight = model_.parameter(branch.layer.weight).tensor;
        const at::Tensor trained = at::mm(branches_[i].b, branches_[i].a).mul(branch.scale);
        const at::Tensor left =
            at::mm(branch.b, branch.a).mul(branch.scale).add(weight).sub(trained);
        if (start == "pissa") {
          const at::Tensor expected = at::linalg_svdvals(weight).slice(0, 2);
          const at::Tensor got = at::linalg_svdvals(left).slice(0, 0, expected.size(0));
          EXPECT_LT(got.sub(expected).abs().max().item<float>(), 1e-5) << branch.layer.module;
        } else {
          const at::Tensor first = left.sub(weight, 1.0 - branch.scale).slice(1, 0, 2);
          EXPECT_LT(first.abs().max().item<float>(), 1e-4) << branch.layer.module;
        }
      }
    }
  }
}

TEST_F(PeftAdapter, RefusesWhatDoesNotFitTheModel) {
  change_config([](core::Json& config) { config["r"] = 3; });
  expect_refused("another model");
  change_config([](core::Json& config) { config["r"] = 2; });
  change_weights([](tensor::TensorFile& file) { file.tensors.erase(file.tensors.begin()); });
  expect_refused("lora_A of model.layers.1.self_attn.q_proj is missing");
  change_weights([](tensor::TensorFile& file) {
    file.tensors.erase(file.tensors.begin());
    file.tensors.push_back(
        {"base_model.model.model.layers.7.mlp.up_proj.lora_A.weight", at::zeros({2, 16})});
  });
  expect_refused("model.layers.7.mlp.up_proj");
}

TEST_F(PeftAdapter, RefusesMatricesThatAreNotFinite) {
  change_weights([](tensor::TensorFile& file) {
    file.tensors[0].tensor[0][0] = std::numeric_limits<float>::quiet_NaN();
  });
  expect_refused("not finite");
}

TEST_F(PeftAdapter, RefusesFilesCutAnywhere) {
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors"}) {
    const std::string bytes = core::read_file(folder_.path() / name);
    const std::size_t step = std::max<std::size_t>(1, bytes.size() / 97);
    for (std::size_t size = 0; size + 2 < bytes.size(); size += step) {
      std::ofstream(folder_.path() / name, std::ios::binary | std::ios::trunc)
          << bytes.substr(0, size);
      EXPECT_THROW(read(), Error) << name << " cut to " << size;
    }
    std::ofstream(folder_.path() / name, std::ios::binary | std::ios::trunc) << bytes;
  }
  EXPECT_NO_THROW(read());
}

TEST_F(PeftAdapter, SaysWhereAnAdapterShouldBe) {
  std::filesystem::remove(folder_.path() / "adapter_model.safetensors");
  std::ofstream(folder_.path() / "adapter_model.bin") << "x";
  try {
    read();
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kIo);
    EXPECT_THAT(std::string(error.what()), HasSubstr("safe_serialization"));
  }
}

}  // namespace
}  // namespace salf::convert
