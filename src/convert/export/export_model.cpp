#include "convert/export/export.h"

namespace salf::convert {

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

std::optional<ExportResult> export_model(
    const ExportOptions& options, core::Progress& progress, bool overwrite) {
  switch (*options.to) {
    case ExportFormat::kGguf:
      return export_gguf(options.model, options.output, options.type.value_or(GgufType::kF16),
          progress, overwrite);
    case ExportFormat::kTorchScript:
      return export_torchscript(
          options.model, options.output, options.trust_model, progress, overwrite);
    case ExportFormat::kHuggingFace: break;
  }
  HfExportOptions hf;
  hf.dtype = options.dtype.value_or(hf.dtype);
  hf.shard_bytes = options.shard_bytes.value_or(hf.shard_bytes);
  return export_hugging_face(options.model, options.output, hf, progress, overwrite);
}

}  // namespace salf::convert
