#include "app/session/inspection.h"

#include <algorithm>

#include "core/error.h"

namespace salf::app {
namespace {

void prove_cuts(const model::GraphCut& graph, Inspection& found, core::Progress& progress) {
  const std::int64_t blocks = graph.map().blocks;
  progress.begin("proving cuts", blocks, "cuts");
  for (std::int64_t cut = 0; cut < blocks; ++cut) {
    try {
      found.largest_difference = std::max(found.largest_difference, graph.prove(cut));
      found.cuts.push_back(cut);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kMemory) throw;
      found.warnings.push_back("cut " + std::to_string(cut) + ": " + error.what());
    }
    progress.update(cut + 1, "");
  }
  progress.end();
}

}  // namespace

Inspection inspect(const Session& session, core::Progress& progress) {
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
  prove_cuts(*session.graph, found, progress);
  if (!session.tokenizer)
    found.warnings.emplace_back(
        "no tokenizer.json or tokenizer.model: --tokenizer FILE is needed to read data");
  if (found.context == 0)
    found.warnings.emplace_back(
        "the longest input is not known: give --max-length if rows may be longer than it");
  if (found.embedding.empty()) found.warnings.emplace_back("no embedding table was found");
  return found;
}

}  // namespace salf::app
