#include "app/bench/bench_options.h"

#include "app/evidence/arms.h"

namespace salf::app {

std::vector<std::string> BenchOptions::problems() const {
  std::vector<std::string> problems;
  if (model.model.empty())
    problems.emplace_back("a model is needed: a model directory, a run directory or an archive");
  if (data.data.empty())
    problems.emplace_back("--data FILE is needed: the documents to train on and to score");
  if (data::reads_standard_input(data))
    problems.emplace_back(
        "--data -: a later call that goes on with the bench reads the rows again: they have to be "
        "in a file");
  if (output.empty()) problems.emplace_back("--output needs a folder");
  if (arms.empty()) problems.emplace_back("--arms: at least one is needed");
  if (minutes.empty()) problems.emplace_back("--minutes: at least one is needed");
  if (rates.size() > 1 && dev_documents == 0)
    problems.emplace_back("--rates are compared on dev: --dev-documents must be above 0");
  for (auto& problem : arm_problems(arms, lora)) problems.push_back(std::move(problem));
  return problems;
}

}  // namespace salf::app
