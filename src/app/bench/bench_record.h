// What salf bench has done so far: bench.json in its folder. Its rows have the truth table's fields
// (docs/results).
#pragma once

#include "core/fields.h"
#include "core/json.h"
#include "types/freeze_plan.h"
#include "types/run_record.h"

namespace salf::app {

// One run, scored on the test split; a trial is scored on dev alone and has no test_loss.
struct BenchRow {
  std::string data;  // name of the data set
  std::string arm;   // untuned, full, freeze, plan, first, middle, random, lisa, lora
  std::string name;  // as on the command line ("cut:8"); "untuned"
  std::int64_t cut = 0;
  std::optional<std::string> chose;  // of plan: the arm that it chose
  double minutes = 0.0;              // on the virtual clock
  std::int64_t seed = 0;
  double learning_rate = 0.0;
  double rate_factor = 1.0;  // times the rule's rate
  std::optional<double> test_loss, test_se;
  std::optional<double> dev_loss;  // of the weights that were kept
  std::int64_t steps = 0;
  std::int64_t tokens = 0;  // real tokens trained on
  std::int64_t supervised_tokens = 0;
  std::int64_t unique_tokens = 0;  // supervised tokens of those rows, each once
  double seconds = 0.0;            // that it took here
  double virtual_seconds = 0.0;    // its steps at the prices of this bench
  std::int64_t blocks = 0;         // of the model

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"data"}, self.data);
    visit(Field{"arm"}, self.arm);
    visit(Field{"name"}, self.name);
    visit(Field{"eof"}.range(0, 1e5), self.cut);
    visit(Field{"chose"}, self.chose);
    visit(Field{"minutes"}.range(0, 1e7), self.minutes);
    visit(Field{"seed"}.range(0, 9e15), self.seed);
    visit(Field{"learning_rate"}.range(0, 1), self.learning_rate);
    visit(Field{"rate_factor"}.range(0, 1e6), self.rate_factor);
    visit(Field{"test_loss"}, self.test_loss);
    visit(Field{"test_se"}, self.test_se);
    visit(Field{"dev_loss"}, self.dev_loss);
    visit(Field{"steps"}.range(0, 1e15), self.steps);
    visit(Field{"tokens"}.range(0, 1e15), self.tokens);
    visit(Field{"supervised_tokens"}.range(0, 1e15), self.supervised_tokens);
    visit(Field{"unique_tokens"}.range(0, 1e15), self.unique_tokens);
    visit(Field{"seconds"}.range(0, 1e12), self.seconds);
    visit(Field{"virtual_seconds"}.range(0, 1e12), self.virtual_seconds);
    visit(Field{"blocks"}.range(0, 1e5), self.blocks);
  }
};

// Loss sums of the test documents, for paired differences; in losses/KEY.json.
struct DocumentLosses {
  static constexpr const char* kSchema = "salf.losses/1";
  std::vector<std::int64_t> document;
  std::vector<double> loss;    // summed over its supervised tokens, nats
  std::vector<double> tokens;  // supervised tokens

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"document"}.range(0, 1e15), self.document);
    visit(Field{"loss"}.range(0, 1e300), self.loss);
    visit(Field{"tokens"}.range(0, 1e15), self.tokens);
  }
};

struct BenchRecord {
  static constexpr const char* kSchema = "salf.bench/1";
  types::Provenance provenance;
  core::Json identity = core::Json::object();  // what may not change between the arms of one bench
  types::MeasuredCost cost;                    // the price list of the virtual clock
  types::MeasuredCost lora_cost;               // the same with LoRA's branches
  types::DataShape data;
  std::optional<double> gradient_agreement;  // train::Timing
  std::vector<BenchRow> trials;              // of learning rates, scored on dev
  std::vector<BenchRow> rows;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"provenance"}, self.provenance);
    visit(Field{"identity"}, self.identity);
    visit(Field{"cost"}, self.cost);
    visit(Field{"lora_cost"}, self.lora_cost);
    visit(Field{"data"}, self.data);
    visit(Field{"gradient_agreement"}.range(0, 1e30), self.gradient_agreement);
    visit(Field{"trials"}, self.trials);
    visit(Field{"rows"}, self.rows);
  }
};

// Unique among the rows of a bench: "cut-8_2min_seed1".
std::string row_key(const BenchRow& row);

// Throws Error(kUsage) where a bench in `folder` was begun with another value of something that may
// not change. `defaults`: of options that came later.
void check_same_bench(const BenchRecord& record, const core::Json& identity,
    const core::Json& defaults, const std::string& folder);

// Mean loss difference a − b over the documents of both, with its standard error (clustered by
// document). Throws Error(kBadInput) where they are not of the same documents.
struct PairedDifference {
  double mean = 0.0;
  double standard_error = 0.0;
};
PairedDifference paired_difference(const DocumentLosses& a, const DocumentLosses& b);

}  // namespace salf::app
