// salf export: writes a model or a run for other tools.
#pragma once

#include "commands/common_options.h"
#include "convert/export/export.h"
#include "core/progress.h"

namespace salf::tools {

struct ExportOptions : convert::ExportOptions {
  CommonOptions common;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    CommonOptions::fields(self.common, visit);
    convert::ExportOptions::fields(self, visit);
  }
};

int run(const ExportOptions& options, core::Progress& progress);

}  // namespace salf::tools
