// Which decoder lies in a model directory, and where are its tensors?
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>

#include "convert/families/families.h"
#include "model/model_directory.h"
#include "model/scan/mapped_archive.h"

namespace salf::convert {

// A model that salf imported, whose archive and config.json were compared.
struct ExportSource {
  model::ModelFiles files;
  core::Json json;  // config.json
  HfConfig config;
  const Family* family = nullptr;
  Decoder decoder;
  model::MappedArchive archive;

  // By the name of the plan, float32 and contiguous: a view of the mapped archive wherever it lies
  // there so.
  at::Tensor tensor(const std::string& name) const;
};

// Throws Error(kIo), and Error(kBadModel) for what was not imported (saying what is possible), and
// where model.pt and config.json do not fit: tensors, shapes, ties, constants.
ExportSource open_export_source(const std::filesystem::path& path);

}  // namespace salf::convert
