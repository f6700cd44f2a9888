#include "commands/eval.h"

#include "app/evidence/evaluation.h"
#include "app/session/session.h"
#include "core/signals.h"
#include "output_file.h"
#include "text/show_run.h"

namespace salf::tools {

std::vector<std::string> EvalOptions::problems() const {
  std::vector<std::string> problems;
  require_model(model.model, problems);
  require_data(data.data, "the documents to score", problems);
  return problems;
}

int eval_command(const EvalOptions& options, core::Progress& progress) {
  if (!options.output.empty())
    check_output_file(options.output, types::EvaluationRecord::kSchema, options.common.force);
  app::Session session = app::open_model(options.model, true);
  app::open_data(session, options.data, options.batch, progress);
  auto record = app::evaluate(session, options.split, options.documents, progress);
  if (!record) return 128 + core::stop_signal();
  if (!options.output.empty()) core::write_document(options.output, *record);
  record->losses.reset();  // for the file alone
  return print_result(options.common, document_json(*record), evaluation_text(*record));
}

}  // namespace salf::tools
