// Export to GGUF: what comes back, and how each family is stored.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <map>

#include "convert/export/export.h"
#include "convert/gguf/dequantize.h"
#include "convert/gguf/gguf.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/signals.h"
#include "data/tokenizer/tokenizer.h"
#include "data/tokenizer/tokenizer_json.h"
#include "hf_directory.h"
#include "support/expect_error.h"
#include "tiny_llama.h"

namespace salf::convert {
namespace {

namespace fs = std::filesystem;
using support::GgufWriter;
using support::write_bytes;
using testing::expect_error;
using ::testing::HasSubstr;

ExportResult to_gguf(const fs::path& source, const fs::path& file, GgufType type = GgufType::kF32,
    bool overwrite = false) {
  core::Progress progress;
  return export_gguf(source, file, type, progress, overwrite).value();
}

std::vector<float> values_of(const GgufFile& file, const std::string& name) {
  const GgufTensor* const tensor = file.find(name);
  if (tensor == nullptr) throw std::runtime_error("no tensor " + name);
  std::vector<float> values(static_cast<std::size_t>(tensor->elements));
  dequantize(tensor->type, file.data(*tensor), tensor->elements, values.data());
  return values;
}

std::vector<float> values_of(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.detach().to(c10::kFloat).contiguous();
  const float* const begin = flat.const_data_ptr<float>();
  return {begin, begin + flat.numel()};
}

// A GGUF file, imported, exported in F32 and imported again.
class GgufRoundTrip : public ::testing::Test {
 protected:
  void expect_identity(const TinyLlama& model, GgufWriter metadata) const {
    core::Progress progress;
    add_tensors(metadata, gguf_tensors(model, random_weights(model, 11)));
    const fs::path source = write_bytes(folder_ / "source.gguf", metadata.bytes());
    import_gguf(source, folder_ / "model", progress, true);
    to_gguf(folder_ / "model", folder_ / "export.gguf", GgufType::kF32, true);
    const GgufFile before(source);
    const GgufFile after(folder_ / "export.gguf");
    ASSERT_EQ(before.tensors().size(), after.tensors().size());
    for (const GgufTensor& tensor : before.tensors()) {
      if (tensor.name == "rope_freqs.weight")
        continue;  // written from the frequencies that it made
      const GgufTensor* const written = after.find(tensor.name);
      ASSERT_NE(written, nullptr) << tensor.name;
      EXPECT_EQ(written->shape, tensor.shape);
      ASSERT_EQ(written->bytes, tensor.bytes);
      EXPECT_EQ(std::memcmp(before.data(tensor), after.data(*written), tensor.bytes), 0)
          << tensor.name;
    }
    for (const char* const key : {"general.architecture", "tokenizer.ggml.model"})
      EXPECT_EQ(before.text(key), after.text(key)) << key;
    for (const char* const key : {"tokenizer.ggml.tokens", "tokenizer.ggml.merges"})
      EXPECT_EQ(before.list<std::string>(key), after.list<std::string>(key)) << key;
    EXPECT_EQ(before.list<std::int64_t>("tokenizer.ggml.token_type"),
        after.list<std::int64_t>("tokenizer.ggml.token_type"));
    import_gguf(folder_ / "export.gguf", folder_ / "again", progress, true);
    EXPECT_EQ(core::read_file(folder_ / "again/config.json"),
        core::read_file(folder_ / "model/config.json"));
    EXPECT_EQ(core::read_file(folder_ / "again/tokenizer.json"),
        core::read_file(folder_ / "model/tokenizer.json"));
    EXPECT_EQ(core::read_file(folder_ / "again/tokenizer_config.json"),
        core::read_file(folder_ / "model/tokenizer_config.json"));
    if (!model.rope_divisors.empty()) return;
    EXPECT_EQ(core::sha256_file(folder_ / "again/model.pt"),
        core::sha256_file(folder_ / "model/model.pt"));
  }
  void expect_identity(const TinyLlama& model) const { expect_identity(model, metadata_of(model)); }

  testing::TemporaryFolder folder_;
};

TEST_F(GgufRoundTrip, IsTheIdentityForLlama) {
  TinyLlama model;
  expect_identity(model);
  model.tied = false;
  model.head_dim = 6;
  expect_identity(model);
}

TEST_F(GgufRoundTrip, IsTheIdentityForQwen2) {
  TinyLlama model;
  model.architecture = "qwen2";
  model.tied = false;
  expect_identity(model);
}

TEST_F(GgufRoundTrip, KeepsScaledPositions) {
  TinyLlama model;
  model.linear_factor = 4.0;
  expect_identity(model);
  EXPECT_EQ(GgufFile(folder_ / "export.gguf").number("llama.rope.scaling.factor"), 4.0);
}

TEST_F(GgufRoundTrip, KeepsLlama3Scaling) {
  TinyLlama model;
  model.head_dim = 16;
  model.theta = 500000.0;
  for (int pair = 0; pair < 8; ++pair) {
    const double wavelength = 2.0 * std::acos(-1.0) * std::pow(model.theta, pair / 8.0);
    const double kept = std::min(1.0, std::max(0.0, (8192.0 / wavelength - 1.0) / 3.0));
    model.rope_divisors.push_back(static_cast<float>(1.0 / (kept + (1.0 - kept) / 8.0)));
  }
  expect_identity(model);
  const std::vector<float> written =
      values_of(GgufFile(folder_ / "export.gguf"), "rope_freqs.weight");
  ASSERT_EQ(written.size(), model.rope_divisors.size());
  for (std::size_t i = 0; i < written.size(); ++i)
    EXPECT_NEAR(written[i], model.rope_divisors[i], 1e-6F * written[i]);
}

TEST_F(GgufRoundTrip, KeepsASentencePieceTokenizerAndItsTemplate) {
  const TinyLlama model;
  GgufWriter writer;
  const std::string prefix = "llama.";
  writer.text("general.architecture", "llama");
  writer.number(prefix + "block_count", 2);
  writer.number(prefix + "context_length", 64);
  writer.number(prefix + "embedding_length", 16);
  writer.number(prefix + "feed_forward_length", 24);
  writer.number(prefix + "attention.head_count", 4);
  writer.number(prefix + "attention.head_count_kv", 2);
  writer.real(prefix + "attention.layer_norm_rms_epsilon", 1e-5F);
  std::vector<std::string> tokens = {"<unk>", "<s>", "</s>", "<0x41>", "ab", "abc",
      "\xE2\x96\x81"
      "a",
      "<user>"};
  std::vector<std::int32_t> types = {2, 3, 3, 6, 1, 1, 1, 4};
  std::vector<float> scores = {0, 0, 0, 0, -0.0F, -1, -2, 0};
  for (char letter = 'a'; tokens.size() < 39; ++letter) {
    tokens.emplace_back(1, letter);
    types.push_back(1);
    scores.push_back(-static_cast<float>(tokens.size()));
  }
  tokens.emplace_back("\xE2\x96\x81");
  types.push_back(1);
  scores.push_back(-100);
  writer.text("tokenizer.ggml.model", "llama");
  writer.texts("tokenizer.ggml.tokens", tokens);
  writer.integers("tokenizer.ggml.token_type", types);
  support::GgufBytes& list = writer.entry("tokenizer.ggml.scores", 9)
                                 .put<std::uint32_t>(6)
                                 .put<std::uint64_t>(scores.size());
  for (const float score : scores) list.put(score);
  writer.number("tokenizer.ggml.bos_token_id", 1);
  writer.number("tokenizer.ggml.eos_token_id", 2);
  writer.number("tokenizer.ggml.unknown_token_id", 0);
  writer.text("tokenizer.chat_template", "{{ messages }}");
  expect_identity(model, writer);
  const GgufFile written(folder_ / "export.gguf");
  EXPECT_EQ(written.text("tokenizer.chat_template"), "{{ messages }}");
  EXPECT_EQ(written.boolean("tokenizer.ggml.add_bos_token"), true);
  EXPECT_EQ(written.integer("tokenizer.ggml.bos_token_id"), 1);
}

// A golden directory of Hugging Face with a tokenizer of 30 tokens: two rows of the embedding have
// none.
class GgufFamilies : public ::testing::Test {
 protected:
  fs::path imported(
      const std::string& family, const std::function<void(core::Json&)>& change = {}) const {
    HfDirectory source(family);
    if (change) source.config(change);
    const fs::path model = folder_ / family;
    import_directory_quietly(source.path(), model, true);
    data::GgufTokenizer tokenizer;
    tokenizer.pre = "gpt-2";
    for (char letter = 'a'; tokenizer.tokens.size() < 30; ++letter)
      tokenizer.tokens.emplace_back(1, letter);
    const data::TokenizerJson texts = data::make_tokenizer_json(tokenizer);
    core::write_file_atomically(model / "tokenizer.json", texts.tokenizer);
    core::write_file_atomically(model / "tokenizer_config.json", texts.config);
    return model;
  }

  void expect_refused(const fs::path& model, ErrorKind kind, const std::string& message) const {
    expect_error(kind, message, [&] { to_gguf(model, folder_ / "refused.gguf"); });
    EXPECT_FALSE(fs::exists(folder_ / "refused.gguf"));
  }

  std::map<std::string, at::Tensor> tensors_of(const std::string& family) const {
    std::map<std::string, at::Tensor> tensors;
    for (const auto& named :
        tensor::read_tensor_file(golden_directory(family) / "model.safetensors").tensors)
      tensors.emplace(named.name, named.tensor);
    return tensors;
  }

  testing::TemporaryFolder folder_;
};

TEST_F(GgufFamilies, FillTheVocabularyWithUnusedTokens) {
  to_gguf(imported("qwen2"), folder_ / "out.gguf");
  const GgufFile file(folder_ / "out.gguf");
  const auto tokens = file.list<std::string>("tokenizer.ggml.tokens");
  ASSERT_EQ(tokens.size(), 32U);
  EXPECT_EQ(tokens.at(31), "[PAD31]");
  EXPECT_EQ(file.list<std::int64_t>("tokenizer.ggml.token_type").at(31), 5);
  EXPECT_EQ(file.integer("tokenizer.ggml.bos_token_id"), 1) << "config.json names it";
  core::Progress progress;
  import_gguf(folder_ / "out.gguf", folder_ / "again", progress);
  EXPECT_EQ(data::load_tokenizer(folder_ / "again/tokenizer.json")->encode("hello"),
      (std::vector<std::int64_t>{7, 4, 11, 11, 14}));
}

TEST_F(GgufFamilies, StoreQwen3AsItIs) {
  to_gguf(imported("qwen3"), folder_ / "out.gguf");
  const GgufFile file(folder_ / "out.gguf");
  const auto tensors = tensors_of("qwen3");
  EXPECT_EQ(file.text("general.architecture"), "qwen3");
  EXPECT_EQ(file.integer("qwen3.attention.key_length"), 6);
  EXPECT_EQ(values_of(file, "blk.1.attn_q.weight"),
      values_of(tensors.at("model.layers.1.self_attn.q_proj.weight")));
  EXPECT_EQ(values_of(file, "blk.1.attn_k_norm.weight"),
      values_of(tensors.at("model.layers.1.self_attn.k_norm.weight")));
}

TEST_F(GgufFamilies, StoreMistralAsALlamaThatSeesEverything) {
  const ExportResult result = to_gguf(imported("mistral"), folder_ / "out.gguf");
  const GgufFile file(folder_ / "out.gguf");
  EXPECT_EQ(file.text("general.architecture"), "llama");
  ASSERT_EQ(result.warnings.size(), 1U);
  EXPECT_THAT(result.warnings[0], HasSubstr("more than 7 tokens"));
  // Rows of head 0, of 6: its halves become neighbours.
  const at::Tensor rows = tensors_of("mistral").at("model.layers.0.self_attn.q_proj.weight");
  const std::vector<float> written = values_of(file, "blk.0.attn_q.weight");
  const std::vector<std::int64_t> order = {0, 3, 1, 4, 2, 5};
  for (std::size_t row = 0; row < order.size(); ++row) {
    const std::vector<float> part(written.begin() + static_cast<std::ptrdiff_t>(16 * row),
        written.begin() + static_cast<std::ptrdiff_t>(16 * (row + 1)));
    EXPECT_EQ(part, values_of(rows[order[row]])) << row;
  }
}

TEST_F(GgufFamilies, StoreGemma2sNormsAsTheyScale) {
  to_gguf(imported("gemma2", [](core::Json& json) { json["query_pre_attn_scalar"] = 6; }),
      folder_ / "out.gguf");
  const GgufFile file(folder_ / "out.gguf");
  const auto tensors = tensors_of("gemma2");
  EXPECT_EQ(values_of(file, "blk.2.ffn_norm.weight"),
      values_of(tensors.at("model.layers.2.pre_feedforward_layernorm.weight") + 1.0));
  EXPECT_EQ(values_of(file, "blk.2.post_attention_norm.weight"),
      values_of(tensors.at("model.layers.2.post_attention_layernorm.weight") + 1.0));
  EXPECT_EQ(
      values_of(file, "output_norm.weight"), values_of(tensors.at("model.norm.weight") + 1.0));
  EXPECT_EQ(values_of(file, "blk.2.attn_q.weight"),
      values_of(tensors.at("model.layers.2.self_attn.q_proj.weight")));
  EXPECT_EQ(file.number("gemma2.attn_logit_softcapping"), 2.0);
  EXPECT_EQ(file.integer("gemma2.attention.sliding_window"), 7);
  EXPECT_EQ(file.find("output.weight"), nullptr);
}

TEST_F(GgufFamilies, StorePhi3sFusedMatrices) {
  to_gguf(imported("phi3"), folder_ / "out.gguf");
  const GgufFile file(folder_ / "out.gguf");
  const auto tensors = tensors_of("phi3");
  EXPECT_EQ(values_of(file, "blk.0.attn_qkv.weight"),
      values_of(tensors.at("model.layers.0.self_attn.qkv_proj.weight")));
  EXPECT_EQ(values_of(file, "blk.0.ffn_up.weight"),
      values_of(tensors.at("model.layers.0.mlp.gate_up_proj.weight")));
}

TEST_F(GgufFamilies, StoreOlmo2sNormsBehindItsParts) {
  to_gguf(imported("olmo2"), folder_ / "out.gguf");
  const GgufFile file(folder_ / "out.gguf");
  const auto tensors = tensors_of("olmo2");
  EXPECT_EQ(values_of(file, "blk.1.post_attention_norm.weight"),
      values_of(tensors.at("model.layers.1.post_attention_layernorm.weight")));
  EXPECT_EQ(values_of(file, "blk.1.post_ffw_norm.weight"),
      values_of(tensors.at("model.layers.1.post_feedforward_layernorm.weight")));
  EXPECT_EQ(values_of(file, "blk.1.attn_q.weight"),
      values_of(tensors.at("model.layers.1.self_attn.q_proj.weight")));
  EXPECT_EQ(file.find("blk.1.attn_norm.weight"), nullptr);
}

TEST_F(GgufFamilies, StoreGpt2sMatricesTransposed) {
  to_gguf(imported("gpt2"), folder_ / "out.gguf", GgufType::kF16);
  const GgufFile file(folder_ / "out.gguf");
  const auto tensors = tensors_of("gpt2");
  EXPECT_EQ(file.find("blk.0.attn_qkv.weight")->shape, (std::vector<std::int64_t>{48, 16}));
  EXPECT_EQ(values_of(file, "blk.0.attn_qkv.weight"),
      values_of(tensors.at("transformer.h.0.attn.c_attn.weight").t().to(c10::kHalf)));
  EXPECT_EQ(values_of(file, "blk.0.attn_qkv.bias"),
      values_of(tensors.at("transformer.h.0.attn.c_attn.bias")));
  EXPECT_EQ(
      values_of(file, "position_embd.weight"), values_of(tensors.at("transformer.wpe.weight")))
      << "stays F32";
  EXPECT_EQ(file.find("token_embd.weight")->type, TensorType::kF16);
}

TEST_F(GgufFamilies, FallBackToF16WhereRowsAreNoWholeBlocks) {
  const ExportResult result = to_gguf(imported("phi3"), folder_ / "out.gguf", GgufType::kQ8_0);
  ASSERT_EQ(result.warnings.size(), 1U);
  EXPECT_THAT(result.warnings[0], HasSubstr("blocks of 32 and became F16"));
  EXPECT_EQ(GgufFile(folder_ / "out.gguf").find("blk.0.ffn_up.weight")->type, TensorType::kF16);
}

TEST_F(GgufFamilies, RefuseWhatGgufCannotExpress) {
  expect_refused(imported("llama_biased"), ErrorKind::kBadModel, "attention_bias");
  expect_refused(imported("phi3_longrope"), ErrorKind::kBadModel, "rope_scaling");
  expect_refused(imported("gemma2"), ErrorKind::kBadModel, "query_pre_attn_scalar");
  expect_refused(imported("gemma2_uncapped"), ErrorKind::kBadModel, "attention_bias");
  expect_refused(imported("gpt2_variant"), ErrorKind::kBadModel, "activation_function");
  for (const char* const family : {"gemma3", "granite", "olmo3", "smollm3"})
    expect_refused(imported(family), ErrorKind::kBadModel, "read, not written");
}

TEST_F(GgufFamilies, RefuseTokenizersThatGgufCannotExpress) {
  const fs::path model = imported("llama");
  fs::copy_file(fs::path(SALF_TEST_DATA) / "tokenizer/mixed/tokenizer.json",
      model / "tokenizer.json", fs::copy_options::overwrite_existing);
  expect_refused(model, ErrorKind::kBadInput, "expected ids below the model's vocabulary of 32");
  fs::remove(model / "tokenizer.json");
  expect_refused(model, ErrorKind::kBadModel, "needs a tokenizer, and the model has none");
}

TEST_F(GgufFamilies, StopWhenASignalAsksForIt) {
  core::Progress progress;
  const fs::path model = imported("qwen2");
  core::set_stop_signal(15);
  EXPECT_FALSE(export_gguf(model, folder_ / "out.gguf", GgufType::kF16, progress).has_value());
  core::set_stop_signal(0);
  EXPECT_FALSE(fs::exists(folder_ / "out.gguf"));
}

TEST_F(GgufFamilies, ReplaceTheirOwnWorkOnly) {
  const fs::path model = imported("qwen2");
  to_gguf(model, folder_ / "out.gguf");
  expect_error(ErrorKind::kUsage, "--force", [&] { to_gguf(model, folder_ / "out.gguf"); });
  to_gguf(model, folder_ / "out.gguf", GgufType::kF16, true);
  expect_error(ErrorKind::kUsage, "holds something else",
      [&] { to_gguf(model, model / "config.json", GgufType::kF16, true); });
  expect_error(ErrorKind::kUsage, "model.gguf", [&] { to_gguf(model, folder_.path()); });
}

}  // namespace
}  // namespace salf::convert
