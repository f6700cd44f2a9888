// Import of a Hugging Face directory or a GGUF file as a model directory (model/model_directory.h).
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
  std::int64_t stored_bytes = 0;   // of stored_blocks.safetensors (stored_blocks.h)
  double seconds = 0.0;
  std::vector<std::string> warnings;  // what was left out, by name

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
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

// All three: nothing is written before everything was read and checked, and salf.json comes last. A
// failure removes what was written into a new folder. One tensor is decoded at a time into its
// place: peak memory is the result and that tensor. The result is nothing when a signal asked to
// stop (core/signals.h); `directory` is then as it was. `overwrite` replaces a model directory. All
// throw Error(kIo), and Error(kUsage) when `directory` holds something else, or a model and
// `overwrite` is false.

// Calls import_hugging_face for a directory and import_gguf for a file. Throws also Error(kIo) when
// `source` does not exist, and Error(kUsage) for a single file of a Hugging Face directory.
std::optional<ImportResult> import_model(const std::filesystem::path& source,
    const std::filesystem::path& directory, core::Progress& progress, bool overwrite = false);

// Reads a directory as transformers' save_pretrained writes it: config.json of a decoder of one of
// the families (families.h); weights in model.safetensors or shards with
// model.safetensors.index.json, F32, F16, BF16 or 8-bit floats with scales; tokenizer files. Writes
// model.pt with float32 weights under transformers' names, salf.json, and config.json and the
// tokenizer's files as they are. Logits equal transformers' with float32 weights in eval mode. A
// tokenizer that cannot be read, or that has more ids than the vocabulary, is a warning. Throws
// Error(kBadModel) with file and key for a setting that is not supported, and with file and tensor
// for tensors that are missing, misshapen, of another type or not of the model.
std::optional<ImportResult> import_hugging_face(const std::filesystem::path& source,
    const std::filesystem::path& directory, core::Progress& progress, bool overwrite = false);

// Reads a GGUF file of the architecture llama (Llama 2 and 3, SmolLM, Mistral) or qwen2 with its
// BPE tokenizer. Writes model.pt with float32 weights, config.json, tokenizer.json,
// tokenizer_config.json, salf.json, and the blocks' matrices of fewer than 32 bits as they are
// (stored_blocks.h). Throws Error(kBadModel) for a malformed file, another architecture, tensors
// that are missing, misshapen or unknown within a block, and a tokenizer that is not supported or
// does not fit the vocabulary.
std::optional<ImportResult> import_gguf(const std::filesystem::path& source,
    const std::filesystem::path& directory, core::Progress& progress, bool overwrite = false);

}  // namespace salf::convert
