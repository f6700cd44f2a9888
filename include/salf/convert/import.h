// How does a model file of others become a model directory of salf?
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "salf/core/fields.h"
#include "salf/core/progress.h"

namespace salf::convert {

// What was imported.
struct ImportResult {
  std::string directory;
  std::string architecture;         // "llama", "qwen2"
  std::int64_t blocks = 0;          // L
  std::int64_t hidden = 0;          // D
  std::int64_t vocabulary = 0;      // V
  std::int64_t context = 0;         // longest input in tokens
  std::int64_t parameters = 0;      // elements, each tensor once
  bool tied = false;                // the head is the embedding
  std::int64_t tokens = 0;          // of the tokenizer
  std::int64_t source_bytes = 0;
  std::int64_t archive_bytes = 0;   // of model.pt
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
    visit(Field{"seconds"}, self.seconds);
    visit(Field{"warnings"}, self.warnings);
  }
};

// Reads a GGUF file of the Llama family (general.architecture llama: Llama 2 and 3, SmolLM, Mistral; or qwen2) with
// its byte-level BPE tokenizer and writes a model directory (model/model_directory.h): model.pt with float32
// weights, config.json, tokenizer.json, tokenizer_config.json, salf.json. One tensor is decoded at a time
// into its place: peak memory is the result plus the file's mapping. Nothing is written before everything was read and
// checked; salf.json comes last, and what was written into a new folder is removed on failure.
// `overwrite`: replace a model directory that is there.
// Throws Error(kIo); Error(kBadModel) for a malformed file, another architecture, tensors that are missing, misshapen
// or unknown within a block, a tokenizer that is not supported or does not fit the vocabulary;
// Error(kUsage) when `directory` holds something else, or a model and `overwrite` is false.
ImportResult import_gguf(const std::filesystem::path& source, const std::filesystem::path& directory,
                         core::Progress& progress, bool overwrite = false);

}  // namespace salf::convert
