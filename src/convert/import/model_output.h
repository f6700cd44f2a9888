// The last step of an import: a decoder and its weights become a model directory, or nothing.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "convert/families/decoder.h"
#include "convert/import/import.h"
#include "core/machine.h"
#include "core/progress.h"

namespace salf::convert {

// Everything that will be written except the weights, checked.
struct PreparedImport {
  Decoder decoder;
  std::map<std::string, std::string> files;  // config.json and the tokenizer's, by name: the text
  std::string source;                        // file name
  std::function<std::string()> source_hash;
  std::map<std::string, std::string> dtypes;  // of the source's safetensors, by tensor: "BF16"
  // Writes the source's blocks (stored_blocks.h), given model.pt's SHA-256. Empty: it has none.
  std::function<void(const std::filesystem::path& path, const std::string& archive_hash)>
      write_stored;
  ImportResult result;  // with tokens, source_bytes, stored_bytes and warnings
};

// That `usable` can hold the model in float32 and one more of its tensors. Throws Error(kIo) with
// the figure that would do.
void check_memory(const PreparedImport& prepared, const core::UsableMemory& usable);

// Builds the program from the weights and writes the directory, salf.json last. Removes files of an
// earlier import that this one does not have. Logs the warnings. Removes what it wrote into a new
// folder on failure. Throws Error(kUsage) when the directory holds something else, or a model and
// `overwrite` is false; Error(kIo), before anything is read where memory does not suffice.
ImportResult write_model(const PreparedImport& prepared, const WeightSource& weights,
    const std::filesystem::path& directory, core::Progress& progress, bool overwrite);

}  // namespace salf::convert
