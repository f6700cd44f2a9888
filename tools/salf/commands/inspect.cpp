// salf inspect: what a model is and where it can be cut.
#include "app/session/inspection.h"
#include "command_list.h"
#include "core/text.h"
#include "text/columns.h"

namespace salf::tools {
namespace {

struct InspectOptions {
  CommonOptions common;
  app::ModelOptions model;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    CommonOptions::fields(self.common, visit);
    app::ModelOptions::fields(self.model, visit);
  }
};

std::string cut_ranges(const std::vector<std::int64_t>& cuts) {
  std::vector<std::string> ranges;
  for (std::size_t i = 0; i < cuts.size();) {
    std::size_t last = i;
    while (last + 1 < cuts.size() && cuts[last + 1] == cuts[last] + 1) ++last;
    ranges.push_back(last == i ? std::to_string(cuts[i])
                               : std::to_string(cuts[i]) + "-" + std::to_string(cuts[last]));
    i = last + 1;
  }
  return core::join(ranges, ", ");
}

std::string shown(const app::Inspection& found, const std::string& archive) {
  std::string text;
  const auto row = [&](const char* name, const std::string& value) {
    text += named(name, core::printable(value), 14);
  };
  row("archive", archive);
  row("architecture", found.architecture.empty() ? "not stated" : found.architecture);
  row("blocks", std::to_string(found.shape.blocks) + " in " + found.container + ", hidden size " +
                    std::to_string(found.shape.hidden));
  row("vocabulary",
      core::format_count(found.shape.vocabulary) + " rows" +
          (found.tokenizer_ids > 0
                  ? ", tokenizer has " + core::format_count(found.tokenizer_ids) + " ids"
                  : ""));
  row("context", found.context > 0 ? core::format_count(found.context) + " tokens" : "not stated");
  row("parameters",
      core::format_count(found.shape.parameters) + ", of these " +
          core::format_count(
              found.shape.block_parameters.empty() ? 0 : found.shape.block_parameters[0]) +
          " in block 0");
  row("embedding", found.embedding.empty() ? "not found" : found.embedding);
  row("head", found.head + (found.shape.tied ? " (tied to the embedding)" : "") +
                  (found.plain_head ? "" : ", something is computed on its product"));
  row("cuts", found.cuts.empty()
                  ? "none"
                  : cut_ranges(found.cuts) + " proved: parts equal the whole to " +
                        core::format_number(found.largest_difference, 2) + " of the logits");
  for (const auto& warning : found.warnings) row("warning", warning);
  return text;
}

int run(const InspectOptions& options, core::Progress& progress) {
  const app::Session session = app::open_model(options.model, false);
  const app::Inspection found = app::inspect(session, progress);
  return print_result(
      options.common, core::to_json(found), shown(found, session.files.archive.string()));
}

}  // namespace

Command inspect_command() {
  return make_command<InspectOptions>(
      {"inspect", "Show a model's blocks, sizes and where it can be cut", {"model"},
          "Example:\n  salf inspect smollm2"},
      &run);
}

}  // namespace salf::tools
