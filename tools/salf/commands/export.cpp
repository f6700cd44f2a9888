#include "commands/export.h"

#include "command_list.h"
#include "core/signals.h"
#include "core/text.h"
#include "text/columns.h"

namespace salf::tools {
namespace {

using convert::ExportFormat;
using convert::ExportResult;

constexpr convert::GgufType kDefaultType = convert::GgufType::kF16;

std::optional<ExportResult> written(const ExportOptions& options, core::Progress& progress) {
  const bool force = options.common.force;
  switch (*options.to) {
    case ExportFormat::kGguf:
      return convert::export_gguf(
          options.model, options.output, options.type.value_or(kDefaultType), progress, force);
    case ExportFormat::kTorchScript:
      return convert::export_torchscript(
          options.model, options.output, options.trust_model, progress, force);
    case ExportFormat::kHuggingFace: break;
  }
  convert::HfExportOptions hf;
  hf.dtype = options.dtype.value_or(hf.dtype);
  hf.shard_bytes = options.shard_bytes.value_or(hf.shard_bytes);
  return convert::export_hugging_face(options.model, options.output, hf, progress, force);
}

std::string shown(const ExportResult& result) {
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

std::vector<std::string> ExportOptions::problems() const {
  std::vector<std::string> found;
  if (model.empty()) found.emplace_back("no model: give a model directory or a run");
  if (output.empty()) found.emplace_back("no output: give --output");
  if (!to) {
    found.push_back("no format: give --to " + core::enum_choices<ExportFormat>());
    return found;
  }
  const std::string given = core::enum_to_string(*to);
  const auto only = [&](bool set, const char* flag, ExportFormat format) {
    if (set && *to != format)
      found.push_back(std::string(flag) + " is for --to " + core::enum_to_string(format) +
                      ", not for " + given);
  };
  only(dtype.has_value(), "--dtype", ExportFormat::kHuggingFace);
  only(shard_bytes.has_value(), "--shard-bytes", ExportFormat::kHuggingFace);
  only(type.has_value(), "--type", ExportFormat::kGguf);
  only(trust_model, "--trust-model", ExportFormat::kTorchScript);
  return found;
}

// Warnings of the export are logged by it.
int run(const ExportOptions& options, core::Progress& progress) {
  const std::optional<ExportResult> result = written(options, progress);
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
