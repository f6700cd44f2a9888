#include "commands/export.h"

#include "command_list.h"
#include "core/signals.h"
#include "core/text.h"
#include "text/columns.h"

namespace salf::tools {
namespace {

std::string shown(const convert::ExportResult& result) {
  std::string text;
  const auto row = [&](const char* name, const std::string& value) {
    text += named(name, core::printable(value, 4096), 14);
  };
  row("output", result.output);
  if (!result.architecture.empty()) row("architecture", result.architecture);
  row("parameters", core::format_count(result.parameters) + " in " +
                        core::format_count(result.tensors) + " tensors, " +
                        core::join(result.dtypes, " and "));
  row("size", core::format_bytes(static_cast<std::uint64_t>(result.bytes)));
  row("for", result.note);
  row("time", core::format_seconds(result.seconds));
  return text;
}

}  // namespace

// Warnings of the export are logged by it.
int run(const ExportOptions& options, core::Progress& progress) {
  const auto result = convert::export_model(options, progress, options.common.force);
  if (!result) return 128 + core::stop_signal();
  return print_result(options.common, core::to_json(*result), shown(*result));
}

Command export_command() {
  return make_command<ExportOptions>(
      {"export", "Write a model or a run for transformers, llama.cpp or TorchScript", {"model"},
          "hf and gguf need a model that salf import made, or a run of one; torchscript "
          "takes any.\n"
          "Examples:\n  salf export run --to hf -o tuned\n"
          "  salf export run --to gguf --type q8_0 -o tuned.gguf\n"
          "  salf export run --to torchscript -o tuned.pt"},
      &run);
}

}  // namespace salf::tools
