// Options that every command with a model has.
#pragma once

#include <cstdint>

#include "core/error.h"
#include "core/fields.h"

namespace salf::app {

// An Error of `parse` becomes a problem with the options.
template <class Parse> void attempt(std::vector<std::string>& problems, const Parse& parse) {
  try {
    parse();
  } catch (const Error& error) {
    problems.emplace_back(error.what());
  }
}

// The type of hidden states and of the factors of products.
enum class DataType { kAuto, kFloat32, kBFloat16 };
inline std::vector<core::EnumName<DataType>> enum_names(DataType) {
  return {{DataType::kAuto, "auto"}, {DataType::kFloat32, "f32"}, {DataType::kBFloat16, "bf16"}};
}

// How the frozen part's weights are kept while they are used.
enum class FrozenType { kFloat32, kBFloat16, kInt8, kInt4, kGguf };
inline std::vector<core::EnumName<FrozenType>> enum_names(FrozenType) {
  return {{FrozenType::kFloat32, "f32"}, {FrozenType::kBFloat16, "bf16"},
      {FrozenType::kInt8, "int8"}, {FrozenType::kInt4, "int4"}, {FrozenType::kGguf, "gguf"}};
}

struct FrozenOptions {
  FrozenType frozen_dtype = FrozenType::kFloat32;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    core::begin_group(visit, "Model");
    visit(Field{"frozen_dtype",
              "weights of frozen blocks while they run: f32, bf16, int8 (per row), int4 (groups "
              "of 64), or gguf: the "
              "blocks as the GGUF file had them that the model was imported from; the saved "
              "model keeps its own"},
        self.frozen_dtype);
  }
};

struct ModelOptions {
  std::string model;      // model directory, run directory or archive
  std::string tokenizer;  // "": the one beside the model
  std::string adapter;    // PEFT adapter directory; "": none
  std::string blocks;     // attribute path of the blocks; "": found
  bool trust_model = false;
  std::string device = "cpu";
  DataType dtype = DataType::kAuto;
  std::int64_t threads = 0;
  std::int64_t seed = 1;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    core::begin_group(visit, "Model");
    visit(Field{"model", "model directory, run directory or TorchScript archive"}.common(),
        self.model);
    visit(Field{"tokenizer",
              "tokenizer.json or SentencePiece model to use instead of the model's own"},
        self.tokenizer);
    visit(Field{"adapter",
              "LoRA adapter (a directory of PEFT's or of a run) to use with the model; train and "
              "plan go on from it"}
              .common(),
        self.adapter);
    visit(Field{"blocks",
              "attribute path of the blocks (model.layers) where they are not found by themselves"},
        self.blocks);
    visit(
        Field{"trust_model",
            "run an archive whose program could do more than compute: read or write files, print"},
        self.trust_model);
    visit(Field{"device", "cpu, cuda or cuda:N"}.common(), self.device);
    visit(Field{"dtype",
              "type of hidden states and products: bf16, f32, or auto: bf16 on a GPU and on "
              "processors that multiply it in hardware (amx_bf16, avx512_bf16); trained weights "
              "and optimizer stay f32"}
              .common(),
        self.dtype);
    visit(Field{"threads", "threads of one operator; 0: as many as cores"}.range(0, 1024),
        self.threads);
    visit(Field{"seed", "every random choice follows from it"}.common().range(0, 9e15), self.seed);
  }
};

}  // namespace salf::app
