// How does a decoder that was found become a model directory, or nothing at all?
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "convert/families/decoder.h"
#include "convert/families/module_builder.h"
#include "convert/import/import.h"
#include "core/progress.h"

namespace salf::convert {

struct TextFile {
  std::string name;
  std::string bytes;
};

// Everything that will be written but the weights, made and checked.
struct PreparedImport {
  Decoder decoder;
  std::vector<TextFile> files;  // config.json and what there is of a tokenizer
  std::string source;           // its file name
  std::function<std::string()> source_hash;
  std::map<std::string, std::string> dtypes;  // of the source's safetensors, by tensor: "BF16"
  // Writes the blocks as the source had them (stored_blocks.h), given model.pt's SHA-256; empty
  // where it has none.
  std::function<void(const std::filesystem::path& path, const std::string& archive_hash)>
      write_stored;
  // Sizes of the model, tokens, source_bytes and warnings are set.
  ImportResult result;
};

// Sizes of the result that the configuration tells.
void describe(const DecoderConfig& config, ImportResult& result);

// Builds the program from the weights and writes the directory, salf.json last; files of an earlier
// import that this one does not have are removed. Logs the warnings. What was written into a new
// folder is removed on failure. Throws Error(kUsage) when the directory holds something else, or a
// model and `overwrite` is false; Error(kIo).
ImportResult write_model(const PreparedImport& import, const WeightSource& weights,
    const std::filesystem::path& directory, core::Progress& progress, bool overwrite);

}  // namespace salf::convert
