// trials.json: what short runs of a few arms reach on these data. salf trial measures it. Plans
// rest their predictions on it.
#pragma once

#include "types/freeze_plan.h"

namespace salf::types {

// The same arm at another learning rate.
struct TriedRate {
  double factor = 1.0;  // times the arm's
  double loss = 0.0;
  double delta = 0.0, delta_error = 0.0;  // loss − the arm's

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"factor"}.positive(), self.factor);
    visit(Field{"loss"}.range(0, 1e6), self.loss);
    visit(Field{"delta"}.range(-1e6, 1e6), self.delta);
    visit(Field{"delta_error"}.range(0, 1e6), self.delta_error);
  }
};

// Losses in nats per supervised token on the same dev documents; errors are standard errors over
// documents, of paired differences.
struct Trial {
  std::string name;  // as salf bench names arms: "cut:8"
  Arm arm = Arm::kFull;
  std::int64_t cut = 0;
  double learning_rate = 0.0;  // the rule's
  double loss = 0.0;
  double gain = 0.0, gain_error = 0.0;    // loss before − loss
  double delta = 0.0, delta_error = 0.0;  // loss − the first arm's; both 0 for that
  double seconds = 0.0;
  std::vector<TriedRate> rates{};

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("name", self.name);
    visit("arm", self.arm);
    visit(Field{"eof"}.range(0, 1e5), self.cut);
    visit(Field{"learning_rate"}.range(0, 1), self.learning_rate);
    visit(Field{"loss"}.range(0, 1e6), self.loss);
    visit(Field{"gain"}.range(-1e6, 1e6), self.gain);
    visit(Field{"gain_error"}.range(0, 1e6), self.gain_error);
    visit(Field{"delta"}.range(-1e6, 1e6), self.delta);
    visit(Field{"delta_error"}.range(0, 1e6), self.delta_error);
    visit(Field{"seconds"}.range(0, 1e12), self.seconds);
    visit("rates", self.rates);
  }
};

// All arms saw the same batches in the same number of steps, cooldown included.
struct TrialTable {
  static constexpr const char* kSchema = "salf.trials/3";
  static constexpr const char* kFormerSchema = "salf.probe/2";
  Provenance provenance;
  ModelShape shape;
  std::int64_t steps = 0;
  std::int64_t tokens = 0;         // of those steps
  std::int64_t unique_tokens = 0;  // of them, each once
  std::int64_t dev_documents = 0;
  double loss_before = 0.0;
  std::vector<Trial> arms;
  double seconds = 0.0;  // of all, loading included

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("provenance", self.provenance);
    visit("shape", self.shape);
    visit(Field{"steps"}.range(1, 1e12), self.steps);
    visit(Field{"tokens"}.range(1, 1e15), self.tokens);
    visit(Field{"unique_tokens"}.range(1, 1e15), self.unique_tokens);
    visit(Field{"dev_documents"}.range(1, 1e15), self.dev_documents);
    visit(Field{"loss_before"}.positive(), self.loss_before);
    visit("arms", self.arms);
    visit(Field{"seconds"}.range(0, 1e12), self.seconds);
  }
};

}  // namespace salf::types
