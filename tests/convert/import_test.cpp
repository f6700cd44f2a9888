#include "convert/import/import.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "convert/import/model_output.h"
#include "core/error.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/signals.h"
#include "data/tokenizer/tokenizer.h"
#include "model/model_directory.h"
#include "support/temporary_folder.h"
#include "tiny_llama.h"

namespace salf::convert {
namespace {

using support::GgufWriter;
using support::write_bytes;
using ::testing::HasSubstr;

ImportResult import_quietly(const std::filesystem::path& source,
    const std::filesystem::path& directory, bool overwrite = false) {
  core::Progress progress;
  return import_gguf(source, directory, progress, overwrite).value();
}

std::string file_of(const TinyLlama& model, const Weights& weights) {
  GgufWriter writer = metadata_of(model);
  add_tensors(writer, gguf_tensors(model, weights));
  return writer.bytes();
}

at::Tensor some_ids(const TinyLlama& model) {
  return (at::arange(18).pow(2) * 7 + 3).remainder(model.vocabulary).view({2, 9});
}

at::Tensor run(torch::jit::Module& module, const at::Tensor& ids, const c10::IValue& mask = {}) {
  const at::NoGradGuard no_gradients;
  return module.forward({ids, mask}).toTensor();
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// Sums of a few dozen float32 products: the two orders of summation differ by some 1e-6.
constexpr double kTolerance = 2e-5;

void expect_reference(const TinyLlama& model) {
  const testing::TemporaryFolder folder;
  const Weights weights = random_weights(model, 5);
  const ImportResult result = import_quietly(
      write_bytes(folder / "tiny.gguf", file_of(model, weights)), folder.path() / "model");
  EXPECT_EQ(result.architecture, model.architecture);
  EXPECT_EQ(result.tied, model.tied);
  std::int64_t elements = 0;
  for (const auto& entry : weights) elements += entry.second.numel();
  EXPECT_EQ(result.parameters, elements);
  auto module = torch::jit::load((folder.path() / "model/model.pt").string());
  const at::Tensor ids = some_ids(model);
  EXPECT_LT(
      largest_difference(run(module, ids), reference_logits(model, weights, ids)), kTolerance);
  for (const auto& parameter : module.named_parameters()) {
    const bool head = parameter.name == "lm_head.weight" && model.tied;
    EXPECT_TRUE(
        parameter.value.equal(weights.at(head ? "model.embed_tokens.weight" : parameter.name)))
        << parameter.name;
    EXPECT_TRUE(parameter.value.requires_grad());
  }
}

TEST(Import, ComputesWhatAPlainLlamaDoes) { expect_reference({}); }

TEST(Import, ComputesWithAHeadOfItsOwn) {
  TinyLlama model;
  model.tied = false;
  expect_reference(model);
}

TEST(Import, ComputesWithHeadsOfAnotherSize) {
  TinyLlama model;
  model.head_dim = 6;
  expect_reference(model);
}

TEST(Import, ComputesQwen2WithItsBiases) {
  TinyLlama model;
  model.architecture = "qwen2";
  expect_reference(model);
}

TEST(Import, ScalesPositionsLinearly) {
  TinyLlama model;
  model.linear_factor = 4.0;
  expect_reference(model);
}

TEST(Import, DividesFrequenciesAsLlama3Does) {
  TinyLlama model;
  model.rope_divisors = {1.0F, 8.0F};
  expect_reference(model);
}

// Two rows of different length, padded on either side, against each alone.
TEST(Import, PaddingOnEitherSideChangesNothing) {
  const TinyLlama model;
  const testing::TemporaryFolder folder;
  const auto source = write_bytes(folder / "tiny.gguf", file_of(model, random_weights(model, 6)));
  import_quietly(source, folder.path() / "model");
  auto module = torch::jit::load((folder.path() / "model/model.pt").string());
  const at::Tensor ids = some_ids(model);
  const at::Tensor alone = run(module, ids.narrow(0, 1, 1).narrow(1, 0, 6))[0];
  const at::Tensor padding = at::zeros({3}, at::kLong);
  const at::Tensor real = ids[1].narrow(0, 0, 6);
  const auto check = [&](const at::Tensor& row, std::int64_t start) {
    const at::Tensor mask = at::ones({2, 9}, at::kLong);
    mask[1].narrow(0, start == 0 ? 6 : 0, 3).zero_();
    const at::Tensor logits = run(module, at::stack({ids[0], row}), mask);
    EXPECT_LT(largest_difference(logits[1].narrow(0, start, 6), alone), kTolerance);
    EXPECT_LT(largest_difference(logits[0], run(module, ids)[0]), kTolerance);
    EXPECT_TRUE(logits.isfinite().all().item<bool>());
  };
  check(at::cat({real, padding}), 0);
  check(at::cat({padding, real}), 3);
  EXPECT_THROW(run(module, ids, at::ones({2, 8}, at::kLong)), std::exception);
}

TEST(Import, GradientsReachEveryParameter) {
  const TinyLlama model;
  const testing::TemporaryFolder folder;
  import_quietly(write_bytes(folder / "tiny.gguf", file_of(model, random_weights(model, 7))),
      folder.path() / "model");
  auto module = torch::jit::load((folder.path() / "model/model.pt").string());
  module.forward({some_ids(model)}).toTensor().pow(2).mean().backward();
  for (const auto& parameter : module.named_parameters()) {
    ASSERT_TRUE(parameter.value.grad().defined()) << parameter.name;
    EXPECT_GT(parameter.value.grad().abs().max().item<double>(), 0.0) << parameter.name;
  }
}

TEST(Import, StoresATiedWeightOnce) {
  const TinyLlama model;
  const testing::TemporaryFolder folder;
  import_quietly(write_bytes(folder / "tiny.gguf", file_of(model, random_weights(model, 8))),
      folder.path() / "model");
  auto module = torch::jit::load((folder.path() / "model/model.pt").string());
  EXPECT_EQ(module.attr("lm_head").toModule().attr("weight").toTensor().data_ptr(),
      module.attr("model")
          .toModule()
          .attr("embed_tokens")
          .toModule()
          .attr("weight")
          .toTensor()
          .data_ptr());
}

TEST(Import, WritesAModelDirectory) {
  const TinyLlama model;
  const testing::TemporaryFolder folder;
  const auto source = write_bytes(folder / "tiny.gguf", file_of(model, random_weights(model, 9)));
  const auto directory = folder.path() / "model";
  import_quietly(source, directory);
  const auto card = core::read_document<model::ModelCard>(directory / "salf.json");
  EXPECT_EQ(card.architecture, "llama");
  EXPECT_EQ(card.blocks, "model.layers");
  EXPECT_EQ(card.context, 64);
  EXPECT_EQ(card.source, "tiny.gguf");
  EXPECT_EQ(card.source_hash, core::sha256_file(source));
  EXPECT_EQ(card.weights_hash, core::sha256_file(directory / "model.pt"));
  const core::Json config = core::read_json_file(directory / "config.json");
  EXPECT_EQ(config["architectures"][0], "LlamaForCausalLM");
  EXPECT_EQ(config["num_key_value_heads"], model.kv_heads);
  EXPECT_EQ(config["tie_word_embeddings"], true);
  EXPECT_EQ(config["eos_token_id"], model.vocabulary - 1);
  const auto tokenizer = data::load_tokenizer(directory / "tokenizer.json");
  EXPECT_EQ(tokenizer->vocabulary_size(), model.vocabulary);
  EXPECT_EQ(tokenizer->encode("AB<|end|>"),
      (std::vector<std::int64_t>{'A' - '!', 'B' - '!', model.vocabulary - 1}));
}

// Wavelengths in tokens: up to 8192/4 are kept, from 8192 on divided by 8, blended between
// (Llama 3.1).
TEST(Import, TellsOtherToolsOfLlama3Scaling) {
  TinyLlama model;
  model.head_dim = 16;
  model.theta = 500000.0;
  for (int pair = 0; pair < 8; ++pair) {
    const double wavelength = 2.0 * std::acos(-1.0) * std::pow(model.theta, pair / 8.0);
    const double kept = std::min(1.0, std::max(0.0, (8192.0 / wavelength - 1.0) / 3.0));
    model.rope_divisors.push_back(static_cast<float>(1.0 / (kept + (1.0 - kept) / 8.0)));
  }
  const testing::TemporaryFolder folder;
  const auto source = write_bytes(folder / "tiny.gguf", file_of(model, random_weights(model, 9)));
  EXPECT_TRUE(import_quietly(source, folder / "model").warnings.empty());
  const core::Json scaling = core::read_json_file(folder / "model/config.json")["rope_scaling"];
  EXPECT_EQ(scaling["rope_type"], "llama3");
  EXPECT_EQ(scaling["factor"], 8.0);
  EXPECT_EQ(scaling["original_max_position_embeddings"], 8192);
}

TEST(Import, ReplacesAModelOnlyWhenAsked) {
  const TinyLlama model;
  const testing::TemporaryFolder folder;
  const auto source = write_bytes(folder / "tiny.gguf", file_of(model, random_weights(model, 1)));
  const auto directory = folder.path() / "model";
  import_quietly(source, directory);
  const std::string before = core::sha256_file(directory / "model.pt");
  EXPECT_THROW(import_quietly(source, directory), Error);
  const auto other = write_bytes(folder / "other.gguf", file_of(model, random_weights(model, 2)));
  import_quietly(other, directory, true);
  EXPECT_NE(core::sha256_file(directory / "model.pt"), before);
  std::filesystem::create_directory(folder.path() / "photos");
  write_bytes(folder / "photos/cat.jpg", "meow");
  EXPECT_THROW(import_quietly(source, folder.path() / "photos", true), Error);
  EXPECT_EQ(core::read_file(folder.path() / "photos/cat.jpg"), "meow");
}

// The message of a refused import; nothing may be written by it.
std::string import_refusal(const std::string& bytes) {
  const testing::TemporaryFolder folder;
  try {
    import_quietly(write_bytes(folder / "tiny.gguf", bytes), folder.path() / "model");
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kBadModel) << error.what();
    EXPECT_FALSE(std::filesystem::exists(folder.path() / "model/model.pt"));
    return error.what();
  }
}

std::string refusal_of_tensors(const std::function<void(Weights&)>& change) {
  const TinyLlama model;
  GgufWriter writer = metadata_of(model);
  Weights tensors = gguf_tensors(model, random_weights(model, 3));
  change(tensors);
  add_tensors(writer, tensors);
  return import_refusal(writer.bytes());
}

class NoWeights : public WeightSource {
 public:
  at::Tensor read(const std::string& name) const override {
    ADD_FAILURE() << name << " is read";
    return {};
  }
};

TEST(Import, RefusesWhatMemoryCannotHoldBeforeItReads) {
  PreparedImport prepared;
  prepared.source = "large.gguf";
  prepared.decoder.program.parameters = {{"weight", {250'000, 1000}, ""}};
  const core::UsableMemory usable{1'500'000'000, 1'500'000'000, 1'500'000'000, false};
  // Of 1 GB in float32: the result, and the tensor that is decoded.
  const testing::TemporaryFolder folder;
  const auto message = [](const auto& action) {
    try {
      action();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kIo);
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(message([&] { check_memory(prepared, usable); }),
      HasSubstr("large.gguf: importing it needs 2.1 GB of memory, and this machine has 1.5 GB"));
  prepared.decoder.program.parameters[0].shape = {1 << 30, 1 << 20};
  core::Progress progress;
  EXPECT_THAT(message([&] {
    write_model(prepared, NoWeights(), folder.path() / "model", progress, false);
  }),
      HasSubstr("importing it needs"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "model"));
}

TEST(Import, NamesTensorsThatDoNotFit) {
  EXPECT_THAT(refusal_of_tensors([](Weights& t) {
    t.erase("blk.1.ffn_up.weight"), t.erase("output_norm.weight");
  }),
      AllOf(HasSubstr("'blk.1.ffn_up.weight' is missing"),
          HasSubstr("'output_norm.weight' is missing")));
  EXPECT_THAT(refusal_of_tensors([](Weights& t) {
    t["blk.0.attn_k.weight"] = at::zeros({8, 4});
  }),
      HasSubstr("'blk.0.attn_k.weight': expected [8, 16], got [8, 4]"));
  EXPECT_THAT(
      refusal_of_tensors([](Weights& t) { t["blk.0.attn_q_norm.weight"] = at::zeros({4}); }),
      HasSubstr("'blk.0.attn_q_norm.weight' is not part of a llama block"));
  EXPECT_THAT(refusal_of_tensors([](Weights& t) { t["rope_freqs.weight"] = at::zeros({2}); }),
      HasSubstr("positive numbers"));
  EXPECT_THAT(refusal_of_tensors([](Weights& t) { t.clear(); }), HasSubstr("block_count"));
}

TEST(Import, WarnsOfTensorsThatAreNotUsed) {
  const TinyLlama model;
  GgufWriter writer = metadata_of(model);
  Weights tensors = gguf_tensors(model, random_weights(model, 3));
  tensors["classifier.weight"] = at::zeros({3});
  add_tensors(writer, tensors);
  const testing::TemporaryFolder folder;
  const ImportResult result =
      import_quietly(write_bytes(folder / "tiny.gguf", writer.bytes()), folder.path() / "model");
  ASSERT_EQ(result.warnings.size(), 1U);
  EXPECT_THAT(result.warnings[0], HasSubstr("'classifier.weight' is not used"));
}

// A correct file's metadata with one key under another name, so that the key itself can be given
// again.
std::string refusal_of_metadata(
    const std::string& key, const std::function<void(GgufWriter&)>& replace) {
  const TinyLlama model;
  GgufWriter writer = metadata_of(model);
  replace(writer);
  add_tensors(writer, gguf_tensors(model, random_weights(model, 4)));
  std::string bytes = writer.bytes();
  const std::size_t at = bytes.find(key);
  EXPECT_NE(at, std::string::npos) << key;
  bytes[at] = '_';
  return import_refusal(bytes);
}

TEST(Import, RefusesMetadataThatMakesNoLlama) {
  const auto with = [](const std::string& key, std::uint32_t value) {
    return refusal_of_metadata(key, [&](GgufWriter& w) { w.number(key, value); });
  };
  const auto without = [](const std::string& key) {
    return refusal_of_metadata(key, [](GgufWriter&) {});
  };
  EXPECT_THAT(without("general.architecture"), HasSubstr("expected llama"));
  EXPECT_THAT(without("llama.block_count"), HasSubstr("llama.block_count: is missing"));
  EXPECT_THAT(without("llama.attention.layer_norm_rms_epsilon"), HasSubstr("is missing"));
  EXPECT_THAT(with("llama.block_count", 0), HasSubstr("got 0"));
  EXPECT_THAT(with("llama.block_count", 4000000000U), HasSubstr("block_count"));
  EXPECT_THAT(with("llama.attention.head_count_kv", 3),
      HasSubstr("a multiple of llama.attention.head_count_kv, 3"));
  EXPECT_THAT(with("llama.attention.value_length", 8), HasSubstr("values of 8"));
  EXPECT_THAT(with("llama.embedding_length", 24), HasSubstr("expected [40, 24], got [40, 16]"));
  EXPECT_THAT(refusal_of_metadata("general.architecture",
                  [](GgufWriter& w) { w.text("general.architecture", "mamba"); }),
      HasSubstr("'mamba'"));
  EXPECT_THAT(refusal_of_metadata("llama.rope.freq_base",
                  [](GgufWriter& w) { w.real("llama.rope.freq_base", NAN); }),
      HasSubstr("positive number"));
}

TEST(Import, StopsWhenAskedToAndLeavesNothing) {
  const testing::TemporaryFolder folder;
  const auto source = write_bytes(folder / "tiny.gguf", file_of({}, random_weights({}, 5)));
  core::Progress progress;
  core::set_stop_signal(2);
  const auto stopped = import_gguf(source, folder.path() / "model", progress);
  core::set_stop_signal(0);
  EXPECT_FALSE(stopped.has_value());
  EXPECT_TRUE(!std::filesystem::exists(folder.path() / "model") ||
              std::filesystem::is_empty(folder.path() / "model"));
  import_quietly(source, folder.path() / "model");
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "model/salf.json"));
}

// Files of Llama 3 from before the key add_bos_token.
TEST(Import, WhetherDocumentsBeginWithBosDependsOnTheSplitRule) {
  const auto begins = [](const std::string& rule) {
    const TinyLlama model;
    GgufWriter writer = metadata_of(model);
    const std::string key = "tokenizer.ggml.pre";
    writer.text(key, rule);
    writer.number("tokenizer.ggml.bos_token_id", 39);
    add_tensors(writer, gguf_tensors(model, random_weights(model, 4)));
    std::string bytes = writer.bytes();
    bytes[bytes.find(key)] = '_';  // the first one
    const testing::TemporaryFolder folder;
    import_quietly(write_bytes(folder / "tiny.gguf", bytes), folder.path() / "model");
    return data::load_tokenizer(folder / "model/tokenizer.json")->add_bos();
  };
  for (const char* rule : {"llama-bpe", "llama3", "llama-v3"}) EXPECT_TRUE(begins(rule)) << rule;
  for (const char* rule : {"gpt-2", "qwen2", "deepseek-r1-qwen", "smaug-bpe"})
    EXPECT_FALSE(begins(rule)) << rule;
}

TEST(Import, RefusesTokenizersThatDoNotFit) {
  const auto with_text = [](const std::string& key, const std::string& value) {
    return refusal_of_metadata(key, [&](GgufWriter& w) { w.text(key, value); });
  };
  EXPECT_THAT(
      with_text("tokenizer.ggml.model", "llama"), HasSubstr("scores: expected one for each of 40"));
  EXPECT_THAT(with_text("tokenizer.ggml.model", "rwkv"), HasSubstr("'gpt2'"));
  EXPECT_THAT(with_text("tokenizer.ggml.pre", "unheard-of"), HasSubstr("unheard-of"));
  EXPECT_THAT(refusal_of_metadata("tokenizer.ggml.tokens",
                  [](GgufWriter& w) {
                    w.texts("tokenizer.ggml.tokens", {"a", "b"});
                  }),
      AllOf(HasSubstr("40 rows"), HasSubstr("got 2")));
}

}  // namespace
}  // namespace salf::convert
