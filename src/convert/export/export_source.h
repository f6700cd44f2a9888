// The decoder and tensors of a model directory that is exported.
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

  // By the plan's name, float32 and contiguous: a view of the mapped archive where that is
  // possible.
  at::Tensor tensor(const std::string& name) const;
};

// Throws Error(kIo), and Error(kBadModel) for a model that salf did not import, and where model.pt
// does not fit config.json: tensors, shapes, ties, constants.
ExportSource open_export_source(const std::filesystem::path& path);

}  // namespace salf::convert
