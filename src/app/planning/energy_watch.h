// What the machine has taken since the program began: its meter, where one can be read, and the
// rates that turn time into energy, CO2 and money. Of several ranks, what all machines have taken.
#pragma once

#include <memory>
#include <optional>

#include "app/session/model_options.h"
#include "cost/energy.h"
#include "cost/meter.h"
#include "cost/rates.h"
#include "train/run/trainer.h"
#include "types/footprint.h"
#include "types/freeze_plan.h"

namespace salf::app {

class EnergyWatch {
 public:
  // Finds the rates (cost::make_rates) for the machine and device of these options, and checks that
  // the budget can be resolved: one in money without a price is refused before a model is read.
  // `ranks`: null of one process; all of them make one. Throws Error(kUsage), Error(kIo),
  // Error(kBadInput).
  EnergyWatch(const cost::RateOptions& rates, const ModelOptions& model,
      const types::Budget& budget, distributed::Group* ranks = nullptr);

  // All ranks: what each one's meter shows counts from now on.
  void meet();

  // With the watts that the meter has shown so far, unless --watts was given or too little time has
  // passed.
  types::Rates rates() const;
  // Since the program began, of other ranks until they met; nothing where a machine's meter cannot
  // be read.
  std::optional<cost::MeasuredEnergy> measured() const;

 private:
  void open_meters(const ModelOptions& model);

  distributed::Group* ranks_;
  types::Rates stated_;
  bool watts_given_ = false;
  bool metered_ = false;  // each rank has a meter for what it counts
  std::unique_ptr<cost::EnergyMeter> meter_;
  std::string basis_;
  double others_ = 0.0;  // joules
};

// Counts a plan's budget: by the clock, or by the meter as seconds (cost::spent_seconds).
class BudgetClock : public train::RunClock {
 public:
  // The references must outlive this.
  BudgetClock(EnergyWatch& energy, const types::FreezePlan& plan) : energy_(energy), plan_(plan) {}
  void meet() override;
  double spent_seconds() const override;

 private:
  EnergyWatch& energy_;
  const types::FreezePlan& plan_;
};

}  // namespace salf::app
