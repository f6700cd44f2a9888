// The ways to spend a budget that the planner looked at.
#pragma once

#include <cstddef>
#include <utility>

#include "core/fields.h"

namespace salf::types {

// What is done to the blocks above the cut: full (cut 0: everything is trained), freeze (they are
// trained, what is below is not), lora (adapters above the cut).
enum class Arm { kFull, kFreeze, kLora };
inline std::vector<core::EnumName<Arm>> enum_names(Arm) {
  return {{Arm::kFull, "full"}, {Arm::kFreeze, "freeze"}, {Arm::kLora, "lora"}};
}

// How blocks above the cut are trained.
enum class Method { kBlocks, kLora };
inline Method method_of(Arm arm) { return arm == Arm::kLora ? Method::kLora : Method::kBlocks; }

// A prediction and what holds it with 90 %.
struct Range {
  double value = 0.0;
  double low = 0.0, high = 0.0;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"value"}.range(-1e6, 1e6), self.value);
    visit(Field{"low"}.range(-1e6, 1e6), self.low);
    visit(Field{"high"}.range(-1e6, 1e6), self.high);
  }
};

// One way to spend the budget that the planner looked at. Files from before `arm` was there name
// none.
struct Candidate {
  std::optional<Arm> arm;
  std::int64_t cut = 0;
  std::int64_t trained_parameters = 0;
  std::int64_t steps = 0;  // optimizer steps that the budget pays for
  double step_seconds = 0.0;
  double step_flops = 0.0;
  double seconds = 0.0;  // of the whole run with these steps
  double flops = 0.0;
  bool fits = false;  // at least min_steps, and no more memory than allowed
  double learning_rate = 0.0;
  double tokens = 0.0;                 // real tokens of these steps
  std::optional<double> memory_bytes;  // anonymous memory at its height
  std::optional<double> energy_joules, gco2, money;
  // Loss in nats a token after these steps; of a plan whose loss_before is not known, as a share of
  // it.
  std::optional<Range> loss;
  std::optional<Range> delta;  // that loss less full fine-tuning's with the same budget
  bool pareto = false;  // no other candidate that fits is both cheaper (seconds) and better (loss)

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("arm", self.arm);
    visit(Field{"eof"}.range(0, 1e5), self.cut);
    visit(Field{"trained_parameters"}.range(0, 1e13), self.trained_parameters);
    visit(Field{"steps"}.range(0, 1e15), self.steps);
    visit(Field{"step_seconds"}.range(0, 1e40), self.step_seconds);
    visit(Field{"step_flops"}.range(0, 1e40), self.step_flops);
    visit(Field{"seconds"}.range(0, 1e40), self.seconds);
    visit(Field{"flops"}.range(0, 1e40), self.flops);
    visit("fits", self.fits);
    visit(Field{"learning_rate"}.range(0, 1), self.learning_rate);
    visit(Field{"tokens"}.range(0, 1e18), self.tokens);
    visit(Field{"memory_bytes"}.range(0, 1e18), self.memory_bytes);
    visit(Field{"energy_joules"}.range(0, 1e18), self.energy_joules);
    visit(Field{"gco2"}.range(0, 1e18), self.gco2);
    visit(Field{"money"}.range(0, 1e18), self.money);
    visit("loss", self.loss);
    visit("delta", self.delta);
    visit("pareto", self.pareto);
  }
};

// The candidates of one or two methods, one for each cut. A JSON array.
class Candidates {
 public:
  using value_type = Candidate;

  // The candidate at this cut; nullptr: there is none. A candidate without an arm is of every
  // method.
  const Candidate* at(Method method, std::int64_t cut) const;
  // What the others are compared with: no frozen block, of whole blocks if they are candidates.
  // REQUIRES: not empty
  const Candidate& full() const;
  // By their cuts.
  std::vector<Candidate> of(Method method) const;
  // The place of one of these in the JSON array.
  std::size_t place(const Candidate& candidate) const;

  bool empty() const { return all_.empty(); }
  std::size_t size() const { return all_.size(); }
  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }
  auto begin() { return all_.begin(); }
  auto end() { return all_.end(); }
  void push_back(Candidate candidate) { all_.push_back(std::move(candidate)); }
  void clear() { all_.clear(); }

 private:
  std::vector<Candidate> all_;
};

}  // namespace salf::types

namespace salf::core {
template <> struct IsVector<types::Candidates> : std::true_type {};
}  // namespace salf::core
