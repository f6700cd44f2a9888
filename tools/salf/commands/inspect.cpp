#include "commands/inspect.h"

#include <algorithm>
#include <cstdio>

#include "app/session/session.h"
#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"

namespace salf::tools {
namespace {

Inspection inspect(const app::ModelSession& session, core::Progress& progress) {
  const model::BlockMap& map = session.graph->map();
  Inspection found;
  found.architecture = session.files.card.architecture;
  found.container = map.container;
  found.embedding = map.embedding_parameter;
  found.head = map.head_parameter;
  found.plain_head = map.plain_head;
  found.context = session.files.card.context;
  found.tokenizer_ids = session.tokenizer ? session.tokenizer->vocabulary_size() : 0;
  found.shape = session.shape();
  progress.begin("proving cuts", map.blocks, "cuts");
  for (std::int64_t cut = 0; cut < map.blocks; ++cut) {
    try {
      found.largest_difference = std::max(found.largest_difference, session.graph->prove(cut));
      found.cuts.push_back(cut);
    } catch (const Error& error) {
      found.warnings.push_back("cut " + std::to_string(cut) + ": " + error.what());
    }
    progress.update(cut + 1, "");
  }
  progress.end();
  if (!session.tokenizer)
    found.warnings.emplace_back(
        "no tokenizer.json or tokenizer.model: --tokenizer FILE is needed to read data");
  if (found.context == 0) {
    found.warnings.emplace_back(
        "the longest input is not known: give --max-length if rows may be longer than it");
  }
  if (found.embedding.empty()) found.warnings.emplace_back("no embedding table was found");
  return found;
}

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

void print(const Inspection& found, const app::ModelSession& session) {
  const auto row = [](const char* name, const std::string& value) {
    std::printf("%-14s%s\n", name, core::printable(value).c_str());
  };
  row("archive", session.files.archive.string());
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
}

}  // namespace

int inspect_command(const InspectOptions& options, core::Progress& progress) {
  const app::ModelSession session = app::open_model(options.model, false);
  const Inspection found = inspect(session, progress);
  if (options.common.json) {
    std::fputs(core::format_json(core::to_json(found)).c_str(), stdout);
  } else {
    print(found, session);
  }
  return 0;
}

}  // namespace salf::tools
