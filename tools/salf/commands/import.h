// salf import: makes a model directory from a model file of another program.
#pragma once

#include <string>

#include "app/session/model_options.h"
#include "commands/common_options.h"
#include "core/progress.h"

namespace salf::tools {

struct ImportOptions {
  CommonOptions common;
  std::string source;  // a Hugging Face directory or a GGUF file
  std::string output;  // the model directory to make

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    CommonOptions::fields(self.common, visit);
    core::begin_group(visit, "Import");
    visit(Field{"source",
              "Hugging Face directory (config.json, safetensors), or GGUF file of a Llama-family "
              "model"},
        self.source);
    visit(Field{"output", "model directory to make"}.common(), self.output);
  }
};

int import_command(const ImportOptions& options, core::Progress& progress);

}  // namespace salf::tools
