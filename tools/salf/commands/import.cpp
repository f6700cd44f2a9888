// salf import: makes a model directory from a model file of another program.
#include "convert/import/import.h"

#include "command_list.h"
#include "core/signals.h"
#include "core/text.h"
#include "text/columns.h"

namespace salf::tools {
namespace {

struct ImportOptions {
  CommonOptions common;
  std::string source;  // a Hugging Face directory or a GGUF file
  std::string output;  // the model directory to make

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    CommonOptions::fields(self.common, visit);
    core::begin_group(visit, "Import");
    visit(Field{"source",
              "Hugging Face directory (config.json, safetensors), or GGUF file (of a split model: "
              "the first)"},
        self.source);
    visit(Field{"output", "model directory to make"}.common(), self.output);
  }

  std::vector<std::string> problems() const {
    std::vector<std::string> problems;
    if (source.empty())
      problems.emplace_back("no source: give a Hugging Face directory or a GGUF file");
    if (output.empty()) problems.emplace_back("no output: give --output DIR");
    return problems;
  }
};

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

// Warnings of the import are logged by it.
int run(const ImportOptions& options, core::Progress& progress) {
  const auto result =
      convert::import_model(options.source, options.output, progress, options.common.force);
  if (!result) return 128 + core::stop_signal();
  return print_result(options.common, core::to_json(*result), shown(*result));
}

}  // namespace

Command import_command() {
  return make_command<ImportOptions>(
      {"import", "Make a model directory from a Hugging Face directory or a GGUF file", {"source"},
          "A Hugging Face directory holds config.json of a Llama 2/3, SmolLM2/3, Mistral, "
          "Qwen2, Qwen3, Gemma 2/3,\n"
          "Phi-3, OLMo 2/3, Granite or GPT-2 model, its weights as safetensors (F32, F16, BF16), "
          "and the tokenizer.\n"
          "tools/trace-hf makes a model directory of any other decoder, with your Python and "
          "transformers.\n"
          "Examples:\n  salf import ~/models/SmolLM2-135M-Instruct -o smollm2\n"
          "  salf import SmolLM2-135M-Instruct.Q4_1.gguf -o smollm2"},
      &run);
}

}  // namespace salf::tools
