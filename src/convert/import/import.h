// How does a model file of others become a model directory of salf?
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/fields.h"
#include "core/progress.h"

namespace salf::convert {

// What was imported.
struct ImportResult {
  std::string directory;
  std::string architecture;     // model_type of transformers: "llama", "qwen2"
  std::int64_t blocks = 0;      // L
  std::int64_t hidden = 0;      // D
  std::int64_t vocabulary = 0;  // V
  std::int64_t context = 0;     // longest input in tokens
  std::int64_t parameters = 0;  // elements, each tensor once
  bool tied = false;            // the head is the embedding
  std::int64_t tokens = 0;      // of the tokenizer; 0: none that can be read
  std::int64_t source_bytes = 0;
  std::int64_t archive_bytes = 0;  // of model.pt
  std::int64_t stored_bytes =
      0;  // of the blocks' matrices that are kept as the GGUF file had them (stored_blocks.h)
  double seconds = 0.0;
  std::vector<std::string> warnings;  // what was left out, by name

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"directory"}, self.directory);
    visit(Field{"architecture"}, self.architecture);
    visit(Field{"blocks"}, self.blocks);
    visit(Field{"hidden"}, self.hidden);
    visit(Field{"vocabulary"}, self.vocabulary);
    visit(Field{"context"}, self.context);
    visit(Field{"parameters"}, self.parameters);
    visit(Field{"tied"}, self.tied);
    visit(Field{"tokens"}, self.tokens);
    visit(Field{"source_bytes"}, self.source_bytes);
    visit(Field{"archive_bytes"}, self.archive_bytes);
    visit(Field{"stored_bytes"}, self.stored_bytes);
    visit(Field{"seconds"}, self.seconds);
    visit(Field{"warnings"}, self.warnings);
  }
};

// Reads a Hugging Face directory (import_hugging_face) or a GGUF file (import_gguf), whichever
// `source` is. Each gives nothing when the user asked to stop while tensors were decoded
// (core/signals.h): what is in `directory` is as it was then. Throws Error(kIo) when it is not
// there, Error(kUsage) for a single file out of a Hugging Face directory.
std::optional<ImportResult> import_model(const std::filesystem::path& source,
    const std::filesystem::path& directory, core::Progress& progress, bool overwrite = false);

// Reads a directory as transformers' save_pretrained writes it: config.json of a Llama 2 or 3,
// SmolLM2, Mistral, Qwen2, Qwen3, Gemma 2, Phi-3, OLMo 2 or GPT-2 decoder; weights in
// model.safetensors or shards with model.safetensors.index.json, F32, F16 or BF16; tokenizer files.
// Writes a model directory (model/model_directory.h): model.pt with float32 weights under
// transformers' names, salf.json, and config.json and the tokenizer's files as they are. Logits are
// transformers' with float32 weights in eval mode: dropout is left out. One tensor is decoded at a
// time into its place, and the pages of the source that it came from are given back: peak memory is
// the result and that tensor. What is written when, and `overwrite`: as import_gguf. Throws
// Error(kIo); Error(kBadModel) that names file and key for a setting that is not supported, file
// and tensor for tensors that are missing, misshapen, of another type or not of the model, and for
// a tokenizer with more ids than the vocabulary (one that cannot be read is a warning);
// Error(kUsage) as import_gguf.
std::optional<ImportResult> import_hugging_face(const std::filesystem::path& source,
    const std::filesystem::path& directory, core::Progress& progress, bool overwrite = false);

// Reads a GGUF file of the Llama family (general.architecture llama: Llama 2 and 3, SmolLM,
// Mistral; or qwen2) with its byte-level BPE tokenizer and writes a model directory
// (model/model_directory.h): model.pt with float32 weights, config.json, tokenizer.json,
// tokenizer_config.json, salf.json, and what the file has of the blocks' matrices in fewer than 32
// bits as it is (stored_blocks.h). One tensor is decoded at a time into its place: peak memory is
// the result plus the file's mapping. Nothing is written before everything was read and checked;
// salf.json comes last, and what was written into a new folder is removed on failure. `overwrite`:
// replace a model directory that is there. Throws Error(kIo); Error(kBadModel) for a malformed
// file, another architecture, tensors that are missing, misshapen or unknown within a block, a
// tokenizer that is not supported or does not fit the vocabulary; Error(kUsage) when `directory`
// holds something else, or a model and `overwrite` is false.
std::optional<ImportResult> import_gguf(const std::filesystem::path& source,
    const std::filesystem::path& directory, core::Progress& progress, bool overwrite = false);

}  // namespace salf::convert
