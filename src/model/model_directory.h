// The files of a model directory: model.pt, tokenizer.json or tokenizer.model (SentencePiece),
// config.json (as Hugging Face writes it, when known) and salf.json (this header's struct). A bare
// model.pt works too, with a tokenizer named beside it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/fields.h"

namespace salf::model {

struct TensorDtype {
  std::string tensor;
  std::string dtype;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"tensor"}, self.tensor);
    visit(Field{"dtype"}, self.dtype);
  }
};

// Where a tensor of the program is in safetensors files.
struct TensorName {
  std::string tensor;  // its name in the archive
  std::string name;    // its name in safetensors files

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"tensor"}, self.tensor);
    visit(Field{"name"}, self.name);
  }
};

// salf.json
struct ModelCard {
  static constexpr const char* kSchema = "salf.model/1";

  std::string architecture;  // "llama"
  std::string blocks;        // attribute path of the blocks
  std::int64_t context = 0;  // longest input in tokens; 0: unknown
  std::string source;        // what it was imported or tuned from (a file name)
  std::string source_hash;   // SHA-256 of that source
  std::string weights_hash;  // SHA-256 of model.pt
  std::string
      dtype;  // of most tensors in the safetensors source: "F32", "F16", "BF16", "": unknown
  std::vector<TensorDtype> other_dtypes;  // of those that differ
  std::vector<TensorName> names;          // of a program that tools/trace-hf made: all its tensors

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"architecture"}, self.architecture);
    visit(Field{"blocks"}, self.blocks);
    visit(Field{"context"}, self.context);
    visit(Field{"source"}, self.source);
    visit(Field{"source_hash"}, self.source_hash);
    visit(Field{"weights_hash"}, self.weights_hash);
    visit(Field{"dtype"}, self.dtype);
    visit(Field{"other_dtypes"}, self.other_dtypes);
    visit(Field{"names"}, self.names);
  }
};

// The files of a model, found and not yet read.
struct ModelFiles {
  std::filesystem::path archive;    // model.pt
  std::filesystem::path tokenizer;  // tokenizer.json, else tokenizer.model; empty if there is none
  std::filesystem::path config;     // config.json; empty if there is none
  ModelCard card;                   // empty fields where there is no salf.json
};

// `path`: a model directory, a run directory or an archive; `tokenizer`: "" or a file that is used
// instead. context is taken from salf.json, else from config.json's max_position_embeddings, else
// 0. Throws Error(kIo) or Error(kBadModel) that says which file is missing and how to get it.
ModelFiles find_model(const std::filesystem::path& path, const std::string& tokenizer);

// What a Hugging Face directory may hold beside its weights, by name: config.json,
// generation_config.json and the tokenizer's files. They go with a model wherever it goes.
const std::vector<std::string>& side_files();

// Copies the side files of `from` into `directory` (not the archive; of a tokenizer that was named
// beside the model only the tokenizer's) and writes salf.json.
void write_model_files(
    const std::filesystem::path& directory, const ModelFiles& from, const ModelCard& card);

}  // namespace salf::model
