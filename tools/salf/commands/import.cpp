#include "commands/import.h"

#include "convert/import/import.h"
#include "core/error.h"
#include "core/log.h"
#include "core/signals.h"
#include "core/text.h"
#include "text/columns.h"

namespace salf::tools {
namespace {

void check(const ImportOptions& options) {
  std::string problems;
  if (options.source.empty()) problems += "no source: give a Hugging Face directory or a GGUF file";
  if (options.output.empty())
    problems += std::string(problems.empty() ? "" : "; ") + "no output: give --output DIR";
  if (!problems.empty()) throw Error(ErrorKind::kUsage, "import: " + problems);
}

std::string shown(const convert::ImportResult& result) {
  std::string text;
  const auto row = [&](const char* name, const std::string& value) {
    text += named(name, core::printable(value), 14);
  };
  const auto bytes = [](std::int64_t count) {
    return core::format_bytes(static_cast<std::uint64_t>(count));
  };
  row("directory", result.directory);
  row("architecture", result.architecture);
  row("blocks", std::to_string(result.blocks) + ", hidden size " + std::to_string(result.hidden));
  row("parameters",
      core::format_count(result.parameters) + (result.tied ? ", the head is the embedding" : ""));
  row("tokenizer",
      result.tokens > 0 ? core::format_count(result.tokens) + " tokens" : "none that can be read");
  row("context", core::format_count(result.context) + " tokens");
  row("size",
      bytes(result.source_bytes) + " became " + bytes(result.archive_bytes) + " of float32");
  if (result.stored_bytes > 0)
    row("kept", bytes(result.stored_bytes) + " of blocks as they were, for --frozen-dtype gguf");
  row("time", core::format_seconds(result.seconds));
  return text;
}

}  // namespace

// Warnings of the import are logged by it.
int import_command(const ImportOptions& options, core::Progress& progress) {
  check(options);
  const auto result =
      convert::import_model(options.source, options.output, progress, options.common.force);
  if (!result) return 128 + core::stop_signal();
  return print_result(options.common, core::to_json(*result), shown(*result));
}

}  // namespace salf::tools
