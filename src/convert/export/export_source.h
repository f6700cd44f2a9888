// What the exporters share: a result in one file, and the decoder and tensors of an imported model.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "convert/export/export.h"
#include "convert/families/families.h"
#include "model/model_directory.h"
#include "model/scan/mapped_archive.h"

namespace salf::convert {

// A model that salf imported, whose archive and config.json were compared, or one that
// tools/trace-hf made, whose archive has the tensors that salf.json names.
struct ExportSource {
  model::ModelFiles files;
  core::Json json;  // config.json
  HfConfig config;
  const Family* family = nullptr;  // nullptr: a trace
  Decoder decoder;                 // of a trace: its tensors, by the safetensors files' names
  model::MappedArchive archive;
  std::map<std::string, std::string> names;  // of a trace: the archive's names by those

  // By the plan's name, as it is stored.
  const at::Tensor& stored(const std::string& name) const;
  // The same, float32 and contiguous: where possible a view of the mapped archive.
  at::Tensor tensor(const std::string& name) const;
};

// Throws Error(kIo), and Error(kBadModel) for a model that salf did not import, and where model.pt
// does not fit config.json: tensors, shapes, ties, constants.
ExportSource open_export_source(const std::filesystem::path& path);
// The same, or a trace.
ExportSource open_source_or_trace(const std::filesystem::path& path);

// Runs an exporter and sets result.seconds. Nothing where a signal stopped it (see output.h).
std::optional<ExportResult> run_export(
    const std::filesystem::path& source, const std::function<ExportResult()>& exporter);

// A result in one file: its folder is made, and the file is checked before the work. A file is
// replaced only with `overwrite`, only if it begins with `magic`, and never if it is `archive`, the
// export's source. Throws Error(kUsage), or Error(kIo) where nothing can be written. `what` names
// the kind of file, `example` a file, for messages. Sets result.output and result.files.
struct ExportFile {
  std::string magic, what, example;
};
void check_export_file(const std::filesystem::path& file, const ExportFile& kind,
    const std::filesystem::path& archive, bool overwrite, ExportResult& result);

// "F32", "F16", "BF16"; LibTorch's name of others.
std::string dtype_name(c10::ScalarType type);

// Adds and logs it.
void warn(ExportResult& result, const std::string& warning);

}  // namespace salf::convert
