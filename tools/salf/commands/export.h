// salf export: writes a model or a run for other tools.
#pragma once

#include <optional>
#include <vector>

#include "commands/common_options.h"
#include "convert/export/export.h"
#include "core/progress.h"

namespace salf::tools {

struct ExportOptions {
  CommonOptions common;
  std::string model;   // model directory or run directory; an archive for torchscript
  std::string output;  // a folder for hf, a file otherwise
  std::optional<convert::ExportFormat> to;
  // Where these are not set, convert/export/export.h has the defaults.
  std::optional<convert::HfDtype> dtype;
  std::optional<std::int64_t> shard_bytes;
  std::optional<convert::GgufType> type;
  bool trust_model = false;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    CommonOptions::fields(self.common, visit);
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

int run(const ExportOptions& options, core::Progress& progress);

}  // namespace salf::tools
