// What has the machine taken since the command began? Its meter, where one can be read, and the
// rates that turn time into energy, CO2 and money.
#pragma once

#include <memory>
#include <optional>

#include "app/model_options.h"
#include "cost/energy.h"
#include "cost/meter.h"
#include "cost/rates.h"
#include "types/footprint.h"
#include "types/freeze_plan.h"

namespace salf::app {

class EnergyWatch {
 public:
  // Resolves the rates (cost::make_rates) for the machine and device of these options, and the
  // budget at them: a budget in money without a price is refused here, before a model is read.
  // Throws Error(kUsage), Error(kIo), Error(kBadInput).
  EnergyWatch(
      const cost::RateOptions& rates, const ModelOptions& model, const types::Budget& budget);

  // With the watts that the meter has shown so far, unless --watts was given or too little time has
  // passed.
  types::Rates rates() const;
  // Since the command began; nothing where no meter can be read.
  std::optional<cost::MeasuredEnergy> measured() const;
  // Seconds of the plan's budget that this process has spent (cost::spent_seconds).
  double spent_seconds(const types::FreezePlan& plan) const;

 private:
  types::Rates stated_;
  bool watts_given_ = false;
  std::unique_ptr<cost::EnergyMeter> meter_;
};

}  // namespace salf::app
