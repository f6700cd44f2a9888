// Export of a model for other tools: a Hugging Face directory, a GGUF file, a TorchScript archive.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/fields.h"
#include "core/progress.h"

namespace salf::convert {

enum class ExportFormat { kHuggingFace, kGguf, kTorchScript };
inline std::vector<core::EnumName<ExportFormat>> enum_names(ExportFormat) {
  return {{ExportFormat::kHuggingFace, "hf"}, {ExportFormat::kGguf, "gguf"},
      {ExportFormat::kTorchScript, "torchscript"}};
}

// kSource: each tensor's type in the imported safetensors, so that an untuned tensor gets the
// source's bytes; F32 where the source had none.
enum class HfDtype { kSource, kF32, kBF16, kF16 };
inline std::vector<core::EnumName<HfDtype>> enum_names(HfDtype) {
  return {{HfDtype::kSource, "source"}, {HfDtype::kF32, "f32"}, {HfDtype::kBF16, "bf16"},
      {HfDtype::kF16, "f16"}};
}

// The type of matrices. Norms and biases stay F32, as in llama.cpp's files.
enum class GgufType { kF32, kF16, kQ8_0 };
inline std::vector<core::EnumName<GgufType>> enum_names(GgufType) {
  return {{GgufType::kF32, "f32"}, {GgufType::kF16, "f16"}, {GgufType::kQ8_0, "q8_0"}};
}

struct HfExportOptions {
  HfDtype dtype = HfDtype::kSource;
  std::int64_t shard_bytes =
      5'000'000'000;  // of tensors in a file at most; one tensor may exceed it
};

// What is exported, and how.
struct ExportOptions {
  std::string model;   // model directory or run directory; an archive for torchscript
  std::string output;  // a folder for hf, a file otherwise
  std::optional<convert::ExportFormat> to;
  // Where these are not set, the functions below have the defaults.
  std::optional<convert::HfDtype> dtype;
  std::optional<std::int64_t> shard_bytes;
  std::optional<convert::GgufType> type;
  bool trust_model = false;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    core::begin_group(visit, "Export");
    visit(Field{"model",
              "model directory of salf import or run of salf train; for torchscript also any "
              "archive"}
              .common(),
        self.model);
    visit(Field{"output", "folder to make for hf; file to write for gguf and torchscript"}.common(),
        self.output);
    visit(Field{"to", "what to write"}, self.to);
    visit(Field{"dtype",
              "hf: type of the tensors; source (the default): as they were in the imported "
              "safetensors, else f32"},
        self.dtype);
    visit(Field{"shard_bytes", "hf: bytes of tensors in a file, at most; 5 GB if not given"}.range(
              1, 1e15),
        self.shard_bytes);
    visit(Field{"type", "gguf: type of the matrices; f16 if not given"}, self.type);
    visit(Field{"trust_model",
              "torchscript: load an archive whose program could do more than compute"},
        self.trust_model);
  }

  // Options that are missing or contradict each other.
  std::vector<std::string> problems() const;
};

// What was exported. Also the content of export.json, which marks an export's folder.
struct ExportResult {
  static constexpr const char* kSchema = "salf.export/1";

  ExportFormat format = ExportFormat::kHuggingFace;
  std::string output;
  std::string architecture;         // model_type, or GGUF's name; "": not known
  std::vector<std::string> dtypes;  // of the tensors: "BF16", "F32"
  std::int64_t tensors = 0;
  std::int64_t parameters = 0;     // elements, each tensor once
  std::int64_t bytes = 0;          // of the files that hold tensors
  std::vector<std::string> files;  // names, in a folder
  std::string source_hash;         // SHA-256 of model.pt
  std::string note;                // what the result takes
  double seconds = 0.0;
  std::vector<std::string> warnings;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"format"}, self.format);
    visit(Field{"output"}, self.output);
    visit(Field{"architecture"}, self.architecture);
    visit(Field{"dtypes"}, self.dtypes);
    visit(Field{"tensors"}, self.tensors);
    visit(Field{"parameters"}, self.parameters);
    visit(Field{"bytes"}, self.bytes);
    visit(Field{"files"}, self.files);
    visit(Field{"source_hash"}, self.source_hash);
    visit(Field{"note"}, self.note);
    visit(Field{"seconds"}, self.seconds);
    visit(Field{"warnings"}, self.warnings);
  }
};

// `source` is a model's directory or the model.pt in it. The exports to hf and gguf take a model
// that salf imported, or a run of one; they map the archive, compare its program with config.json
// and hold one tensor in memory at a time. An export that fails or is stopped by a signal
// (core/signals.h) leaves nothing behind; a stopped one has no result. Warnings are logged. All
// throw Error(kIo); Error(kBadModel) for a model that was not imported, is damaged or does not fit
// its config.json; Error(kUsage) where the output is no export of this kind, or exists and
// `overwrite` is false.

// Writes model.safetensors, or shards with model.safetensors.index.json; config.json with the dtype
// as written; generation_config.json and the tokenizer's files as they are; export.json, last. Tied
// weights are written once. transformers' from_pretrained(directory) gives the same logits.
std::optional<ExportResult> export_hugging_face(const std::filesystem::path& source,
    const std::filesystem::path& directory, const HfExportOptions& options,
    core::Progress& progress, bool overwrite = false);

// Writes a GGUF file, version 3, with llama.cpp's metadata, tensor names and row orders, the
// tokenizer and the chat template. Matrices whose rows are no whole number of Q8_0's blocks become
// F16. Families: llama and mistral (as llama), qwen2, qwen3, gemma2, phi3, olmo2, gpt2. Throws also
// Error(kBadModel) with the key for another family and for settings that GGUF or llama.cpp cannot
// express; Error(kBadInput) for such a tokenizer (data/tokenizer/tokenizer_json.h).
std::optional<ExportResult> export_gguf(const std::filesystem::path& source,
    const std::filesystem::path& file, GgufType type, core::Progress& progress,
    bool overwrite = false);

// Copies the archive of any model that salf can load, for torch.jit.load. `trusted`: as in
// ScriptModel::load. The note names the inputs and the output.
std::optional<ExportResult> export_torchscript(const std::filesystem::path& source,
    const std::filesystem::path& file, bool trusted, core::Progress& progress,
    bool overwrite = false);

// Exports as the options say. REQUIRES: they have no problems
std::optional<ExportResult> export_model(
    const ExportOptions& options, core::Progress& progress, bool overwrite);

}  // namespace salf::convert
