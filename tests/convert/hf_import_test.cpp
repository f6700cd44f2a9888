// What is refused, what is warned of and what is written when a Hugging Face directory is imported.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/files.h"
#include "core/hash.h"
#include "hf_directory.h"
#include "model/model_directory.h"
#include "model/script_model.h"
#include "support/gguf_writer.h"

namespace salf::convert {
namespace {

using core::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using Tensors = std::vector<tensor::NamedTensor>;

// The message of a refused import; nothing may be written by it.
std::string refusal(const HfDirectory& source, ErrorKind kind = ErrorKind::kBadModel) {
  try {
    import_directory_quietly(source.path(), source.output());
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(kind)) << error.what();
    EXPECT_FALSE(std::filesystem::exists(source.output() / "model.pt"));
    return error.what();
  }
}

std::string with(const std::string& name, const std::string& key, const Json& value) {
  return refusal(HfDirectory(name).config([&](Json& json) { json[key] = value; }));
}

at::Tensor& named(Tensors& tensors, const std::string& name) {
  for (auto& entry : tensors) {
    if (entry.name == name) return entry.tensor;
  }
  throw std::out_of_range(name);
}

void erase(Tensors& tensors, const std::string& name) {
  tensors.erase(std::remove_if(tensors.begin(), tensors.end(),
                    [&](const auto& entry) { return entry.name == name; }),
      tensors.end());
}

TEST(HfImport, NamesTheSettingThatIsNotSupported) {
  EXPECT_THAT(with("llama", "model_type", "falcon"),
      AllOf(HasSubstr("model_type"), HasSubstr("olmo3, got 'falcon'")));
  EXPECT_THAT(with("llama", "architectures", {"LlamaForSequenceClassification"}),
      HasSubstr("architectures: expected LlamaForCausalLM"));
  EXPECT_THAT(
      with("llama", "hidden_act", "laplace"), HasSubstr("hidden_act: expected one of gelu"));
  EXPECT_THAT(with("llama", "rope_scaling", {{"type", "twist"}, {"factor", 2.0}}),
      HasSubstr("rope_scaling.rope_type: expected default, linear, llama3, yarn or dynamic, got "));
  EXPECT_THAT(with("llama", "rope_scaling", {{"rope_type", "linear"}}),
      HasSubstr("rope_scaling.factor: is missing"));
  EXPECT_THAT(with("mistral", "partial_rotary_factor", 0.5),
      HasSubstr("partial_rotary_factor: expected 1"));
  EXPECT_THAT(with("llama", "quantization_config", {{"bits", 4}}),
      HasSubstr("quantization_config: quantised weights"));
  EXPECT_THAT(with("qwen2_window", "layer_types", {"full_attention", "linear_attention"}),
      HasSubstr("layer_types: expected full_attention"));
  EXPECT_THAT(with("qwen2", "layer_types", {"full_attention", "sliding_attention"}),
      HasSubstr("sliding_window: expected the window"));
  EXPECT_THAT(with("gemma2", "use_bidirectional_attention", true),
      HasSubstr("use_bidirectional_attention"));
  EXPECT_THAT(with("gemma2", "rope_parameters", {{"full_attention", {{"rope_type", "default"}}}}),
      HasSubstr("rope_parameters.full_attention: rotary settings"));
  EXPECT_THAT(with("phi3", "rope_parameters", {{"rope_type", "linear"}, {"factor", 2.0}}),
      HasSubstr("expected default or longrope"));
  EXPECT_THAT(with("phi3_longrope", "rope_scaling",
                  {{"type", "su"}, {"short_factor", {1.0}}, {"long_factor", {1.0, 2.0}}}),
      HasSubstr("expected 4 numbers"));
  EXPECT_THAT(with("gpt2", "add_cross_attention", true), HasSubstr("add_cross_attention"));
  EXPECT_THAT(with("gpt2", "activation_function", "mish"), HasSubstr("activation_function"));
}

TEST(HfImport, ReadsTheRotarySettingsOfOlderFilesForEachKindOfBlock) {
  const auto archive = [](const std::function<void(Json&)>& change) {
    HfDirectory source("gemma3");
    source.config(change);
    import_directory_quietly(source.path(), source.output());
    return core::sha256_file(source.output() / "model.pt");
  };
  const std::string newer = archive([](Json&) {});
  EXPECT_EQ(newer, archive([](Json& json) {
    json.erase("rope_parameters");
    json["rope_theta"] = 2000.0;
    json["rope_local_base_freq"] = 300.0;
    json["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 8.0}};
  }));
  EXPECT_NE(newer, archive([](Json& json) { json.erase("rope_parameters"); }));
}

TEST(HfImport, ReadsWhichBlocksHaveNoPositions) {
  EXPECT_THAT(with("smollm3", "no_rope_layers", {1, 0}),
      HasSubstr("no_rope_layers: expected one for each of the 3 blocks, got 2"));
  EXPECT_THAT(with("smollm3", "no_rope_layers", {1, 0, 2}),
      HasSubstr("no_rope_layers: expected an array of 0 and 1, got 2 in it"));
}

TEST(HfImport, NamesTheSizeThatIsWrong) {
  EXPECT_THAT(with("llama", "hidden_size", nullptr),
      HasSubstr("hidden_size: is missing: expected a whole number"));
  EXPECT_THAT(
      with("llama", "hidden_size", "16"), HasSubstr("hidden_size: expected a whole number from 1"));
  EXPECT_THAT(with("llama", "hidden_size", 1e30), HasSubstr("hidden_size"));
  EXPECT_THAT(with("llama", "vocab_size", 18446744073709551615U), HasSubstr("vocab_size"));
  EXPECT_THAT(with("llama", "num_hidden_layers", 1000000),
      HasSubstr("num_hidden_layers: expected at most 21"));
  EXPECT_THAT(with("llama", "num_attention_heads", 3),
      HasSubstr("num_attention_heads: expected a multiple of num_key_value_heads"));
  EXPECT_THAT(with("llama", "head_dim", 268435456),
      HasSubstr("head_dim: expected an even number up to 65536"));
  EXPECT_THAT(with("llama", "head_dim", 5), HasSubstr("head_dim"));
  EXPECT_THAT(with("llama", "rms_norm_eps", -1.0),
      HasSubstr("rms_norm_eps: expected a positive number, got -1.0"));
  EXPECT_THAT(
      with("llama", "attention_bias", "no"), HasSubstr("attention_bias: expected true or false"));
  EXPECT_THAT(with("gpt2", "n_head", 5), HasSubstr("n_head: expected a divisor of n_embd, 16"));
  EXPECT_THAT(with("mistral", "sliding_window", -1), HasSubstr("sliding_window"));
}

TEST(HfImport, NamesTensorsThatDoNotFit) {
  const auto changed = [](const std::function<void(Tensors&)>& change) {
    return refusal(HfDirectory("mistral").tensors(change));
  };
  const std::string up = "model.layers.1.mlp.up_proj.weight";
  EXPECT_THAT(changed([&](Tensors& t) { erase(t, up), erase(t, "lm_head.weight"); }),
      AllOf(HasSubstr("tensor '" + up + "' [24, 16] is missing"),
          HasSubstr("'lm_head.weight' [32, 16] is missing")));
  EXPECT_THAT(changed([&](Tensors& t) {
    named(t, up) = at::zeros({16, 24});
  }),
      HasSubstr("model.safetensors: tensor '" + up + "': expected [24, 16], got [16, 24]"));
  EXPECT_THAT(changed([&](Tensors& t) {
    named(t, up) = at::zeros({24, 16}, at::kChar);
  }),
      HasSubstr("expected F32, F16, BF16 or F8 with scales, got Char"));
  EXPECT_THAT(changed([&](Tensors& t) {
    t.push_back({"model.layers.0.self_attn.q_proj.bias", at::zeros({24})});
  }),
      HasSubstr("'model.layers.0.self_attn.q_proj.bias' [24] is not part of a mistral of "
                "this configuration"));
  EXPECT_THAT(with("llama", "mlp_bias", true),
      HasSubstr("'model.layers.0.mlp.gate_proj.bias' [24] is missing"));
}

TEST(HfImport, ToleratesBuffersOfOlderFiles) {
  HfDirectory source("mistral");
  source.tensors([](Tensors& t) {
    t.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", at::zeros({3})});
  });
  EXPECT_EQ(import_directory_quietly(source.path(), source.output()).blocks, 2);
  HfDirectory gpt2("gpt2");  // names without "transformer.", and causal masks, as the first GPT-2
                             // files have them
  gpt2.tensors([](Tensors& t) {
    for (auto& entry : t) entry.name = entry.name.substr(std::string("transformer.").size());
    t.push_back({"h.0.attn.bias", at::ones({1, 1, 64, 64})});
  });
  EXPECT_TRUE(import_directory_quietly(gpt2.path(), gpt2.output()).tied);
}

// transformers ties only what is equal, and finds a tied weight under either name.
TEST(HfImport, TiesAsTransformersDoes) {
  const auto import = [](const std::function<void(Tensors&)>& change) {
    HfDirectory source("qwen3");
    source.tensors(change);
    return import_directory_quietly(source.path(), source.output());
  };
  const std::string embedding = "model.embed_tokens.weight";
  EXPECT_TRUE(import([&](Tensors& t) {
    t.push_back({"lm_head.weight", named(t, embedding)});
  }).tied);
  const ImportResult apart = import([&](Tensors& t) {
    t.push_back({"lm_head.weight", named(t, embedding) + 1.0});
  });
  EXPECT_FALSE(apart.tied);
  EXPECT_THAT(apart.warnings, ::testing::Contains(HasSubstr("lm_head.weight differs")));
  EXPECT_TRUE(import([&](Tensors& t) {
    for (auto& entry : t) {
      if (entry.name == embedding) entry.name = "lm_head.weight";
    }
  }).tied);
}

TEST(HfImport, ChecksTheIndexOfShards) {
  const auto changed = [](const std::function<void(Json&)>& change) {
    return refusal(HfDirectory("llama").index(change));
  };
  const std::string norm = "model.norm.weight";
  for (const char* name : {"../other/model.safetensors", "/etc/passwd", "..", "", "a/b.safetensors",
           ".hidden.safetensors"}) {
    EXPECT_THAT(changed([&](Json& json) { json["weight_map"][norm] = name; }),
        HasSubstr("weight_map: model.norm.weight: expected the name of a .safetensors file "
                  "in the same directory"));
  }
  EXPECT_THAT(changed([&](Json& json) { json["weight_map"][norm] = 3; }), HasSubstr("got 3"));
  EXPECT_THAT(changed([&](Json& json) { json["weight_map"] = Json::array(); }),
      HasSubstr("weight_map: expected an object"));
  EXPECT_THAT(
      changed([&](Json& json) { json["weight_map"]["model.other"] = json["weight_map"][norm]; }),
      HasSubstr("tensor 'model.other': expected in"));
  HfDirectory incomplete("llama");
  std::filesystem::remove(incomplete.path() / "model-00002-of-00002.safetensors");
  EXPECT_THAT(refusal(incomplete, ErrorKind::kIo), HasSubstr("model-00002-of-00002.safetensors"));
  HfDirectory twice("llama");
  std::filesystem::copy(
      twice.path() / "model-00001-of-00002.safetensors", twice.path() / "more.safetensors");
  twice.index([&](Json& json) { json["weight_map"]["model.more"] = "more.safetensors"; });
  EXPECT_THAT(refusal(twice), HasSubstr("too"));
}

TEST(HfImport, RefusesWhatIsNoHuggingFaceDirectory) {
  const HfDirectory source("mistral");
  std::filesystem::remove(source.path() / "model.safetensors");
  EXPECT_THAT(refusal(source),
      HasSubstr("expected model.safetensors or model.safetensors.index.json, found neither"));
  support::write_bytes(source.path() / "pytorch_model.bin", "pickle");
  EXPECT_THAT(refusal(source), HasSubstr("pytorch_model.bin is a pickled program"));
  support::write_bytes(source.path() / "model.safetensors", "GGUF, or anything else");
  EXPECT_THAT(refusal(source), HasSubstr("model.safetensors: "));
  support::write_bytes(source.path() / "config.json", "[1, 2]");
  EXPECT_THAT(refusal(source), HasSubstr("config.json: expected an object, got [1,2]"));
  support::write_bytes(source.path() / "config.json", "{\"model_type\": ");
  EXPECT_THAT(refusal(source), HasSubstr("config.json"));
  std::filesystem::remove(source.path() / "config.json");
  EXPECT_THAT(refusal(source), HasSubstr("expected a Hugging Face directory with config.json"));
}

// At every byte of the header, and at some of the data.
TEST(HfImport, RefusesTruncatedWeights) {
  const HfDirectory source("gpt2");
  const std::string whole = core::read_file(source.path() / "model.safetensors");
  for (std::size_t size = 0; size < whole.size(); size += size < 300 ? 7 : 997) {
    support::write_bytes(source.path() / "model.safetensors", whole.substr(0, size));
    EXPECT_THAT(refusal(source), HasSubstr("model.safetensors")) << size;
  }
}

TEST(HfImport, WarnsOfSettingsThatAreNotUsed) {
  HfDirectory source("llama");
  source.config([](Json& json) {
    json["residual_multiplier"] = 0.5;
    json["torch_dtype"] = "bfloat16";
    json["rope_parameters"]["mystery"] = 7;
  });
  const ImportResult result = import_directory_quietly(source.path(), source.output());
  EXPECT_THAT(
      result.warnings, ::testing::ElementsAre(HasSubstr("residual_multiplier is not used (0.5)"),
                           HasSubstr("config.json: rope_parameters.mystery is not used (7)"),
                           HasSubstr("no tokenizer.json")));
}

TEST(HfImport, CopiesTheTokenizerAndChecksItsSize) {
  HfDirectory source("llama");
  const std::filesystem::path tokenizer =
      std::filesystem::path(SALF_TEST_DATA) / "tokenizer/gpt2/tokenizer.json";
  std::filesystem::copy(tokenizer, source.path() / "tokenizer.json");
  EXPECT_THAT(import_directory_quietly(source.path(), source.output()).warnings,
      ::testing::Contains(HasSubstr("ids, and the model's vocabulary 32 rows")));
  support::write_bytes(source.path() / "tokenizer.json", R"({"model": {"type": "Mystery"}})");
  support::write_bytes(source.path() / "chat_template.jinja", "{{ messages }}");
  support::write_bytes(source.path() / "generation_config.json", "{}");
  const ImportResult result = import_directory_quietly(source.path(), source.output(), true);
  EXPECT_EQ(result.tokens, 0);
  EXPECT_THAT(result.warnings,
      ::testing::ElementsAre(HasSubstr("the tokenizer was copied, but cannot be used: ")));
  for (const char* name :
      {"tokenizer.json", "chat_template.jinja", "generation_config.json", "config.json"}) {
    EXPECT_EQ(core::read_file(source.output() / name), core::read_file(source.path() / name))
        << name;
  }
  // An import over it leaves no file of the one before.
  const HfDirectory other("gpt2");
  EXPECT_THROW(import_directory_quietly(other.path(), source.output()), Error);
  import_directory_quietly(other.path(), source.output(), true);
  EXPECT_FALSE(std::filesystem::exists(source.output() / "tokenizer.json"));
  EXPECT_FALSE(std::filesystem::exists(source.output() / "chat_template.jinja"));
}

TEST(HfImport, NamesOfWrappersDoNotCount) {
  for (const char* prefix :
      {"_orig_mod.", "module.", "base_model.model.", "language_model.", "module._orig_mod."}) {
    HfDirectory source("mistral");
    source.tensors([&](Tensors& tensors) {
      for (auto& entry : tensors) entry.name = prefix + entry.name;
    });
    EXPECT_EQ(refusal(source), "") << prefix;
  }
}

TEST(HfImport, EightBitWeightsAreMultipliedByTheirScales) {
  HfDirectory source("mistral");
  at::Tensor expected;
  source.tensors([&](Tensors& tensors) {
    Tensors scales;
    for (auto& entry : tensors) {
      if (entry.name.find("_proj.weight") == std::string::npos) continue;
      const bool rows = entry.name.find("q_proj") != std::string::npos;
      const at::Tensor scale =
          rows ? at::rand({entry.tensor.size(0), 1}) + 0.5 : at::full({}, 0.25);
      entry.tensor = entry.tensor.to(c10::kFloat8_e4m3fn);
      if (entry.name == "model.layers.0.self_attn.q_proj.weight")
        expected = entry.tensor.to(at::kFloat) * scale;
      scales.push_back({entry.name + (rows ? "_scale" : "_scale_inv"), scale});
    }
    tensors.insert(tensors.end(), scales.begin(), scales.end());
  });
  source.config([](Json& json) { json["quantization_config"] = {{"quant_method", "fp8"}}; });
  const ImportResult result = import_directory_quietly(source.path(), source.output());
  EXPECT_THAT(result.warnings, ::testing::Contains(HasSubstr("8-bit floats")));
  const auto model = model::ScriptModel::load(source.output() / "model.pt", at::kCPU, false);
  EXPECT_TRUE(model.parameter("model.layers.0.self_attn.q_proj.weight").tensor.equal(expected));
  EXPECT_FALSE(
      core::read_json_file(source.output() / "config.json").contains("quantization_config"));
}

TEST(HfImport, EightBitWeightsWithoutScalesAreRefused) {
  HfDirectory source("mistral");
  source.tensors([](Tensors& tensors) {
    at::Tensor& weight = named(tensors, "model.layers.0.self_attn.q_proj.weight");
    weight = weight.to(c10::kFloat8_e4m3fn);
  });
  EXPECT_THAT(refusal(source), HasSubstr("has no model.layers.0.self_attn.q_proj.weight_scale"));
}

TEST(HfImport, LfsPointersAreNamed) {
  for (const char* name : {"model.safetensors", "config.json", "tokenizer.json"}) {
    const HfDirectory source("mistral");
    support::write_bytes(source.path() / name,
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n");
    EXPECT_THAT(refusal(source, name[0] == 't' ? ErrorKind::kBadInput : ErrorKind::kBadModel),
        AllOf(HasSubstr(name), HasSubstr("Git LFS pointer"), HasSubstr("git lfs pull")));
  }
}

TEST(HfImport, TakesASentencePieceModel) {
  HfDirectory source("mistral");
  const std::filesystem::path golden =
      std::filesystem::path(SALF_TEST_DATA) / "tokenizer/characters/unigram/tokenizer.model";
  std::filesystem::copy(golden, source.path() / "tokenizer.model");
  source.config([](Json& json) { json["vocab_size"] = 200; });
  source.tensors([](Tensors& tensors) {
    for (const char* name : {"model.embed_tokens.weight", "lm_head.weight"})
      named(tensors, name) = at::rand({200, named(tensors, name).size(1)});
  });
  const ImportResult result = import_directory_quietly(source.path(), source.output());
  EXPECT_GT(result.tokens, 32);
  EXPECT_EQ(core::read_file(source.output() / "tokenizer.model"), core::read_file(golden));
  EXPECT_EQ(model::find_model(source.output(), "").tokenizer, source.output() / "tokenizer.model");
}

TEST(HfImport, RefusesJsonThatIsTruncatedAtAnyByte) {
  for (const char* const name : {"config.json", "model.safetensors.index.json"}) {
    const HfDirectory source("llama");
    const std::string whole = core::read_file(source.path() / name);
    const std::size_t end = whole.rfind('}');
    for (std::size_t size = 0; size <= end; ++size) {
      support::write_bytes(source.path() / name, whole.substr(0, size));
      ASSERT_THAT(refusal(source), AllOf(HasSubstr(name), HasSubstr("not valid JSON"))) << size;
    }
  }
}

TEST(HfImport, RecordsWhereTheModelCameFrom) {
  const HfDirectory source("llama");
  core::Progress progress;
  const ImportResult result = import_model(source.path() / "", source.output(), progress).value();
  const auto card = core::read_document<model::ModelCard>(source.output() / "salf.json");
  EXPECT_EQ(card.architecture, "llama");
  EXPECT_EQ(card.blocks, "model.layers");
  EXPECT_EQ(card.context, 64);
  EXPECT_EQ(card.source, "llama");
  std::string lines;
  for (const char* name :
      {"config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}) {
    lines += std::string(name) + " " + core::sha256_file(source.path() / name) + "\n";
  }
  EXPECT_EQ(card.source_hash, core::sha256(lines));
  EXPECT_EQ(card.weights_hash, core::sha256_file(source.output() / "model.pt"));
  EXPECT_EQ(result.parameters, 4944);
  EXPECT_THROW(import_model(source.path() / "config.json", source.output(), progress), Error);
  EXPECT_THROW(import_model(source.path() / "nothing", source.output(), progress), Error);
}

}  // namespace
}  // namespace salf::convert
