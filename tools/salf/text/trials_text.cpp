#include "text/trials_text.h"

#include "core/log.h"
#include "core/text.h"
#include "text/columns.h"

namespace salf::tools {

std::string trials_text(const types::TrialTable& table) {
  std::string text = "loss before " + core::format_number(table.loss_before) + " on " +
                     core::format_count(table.dev_documents) + " dev documents; " +
                     core::format_count(table.steps) + " steps an arm\n\n";
  text += "arm         frozen  learning rate    loss      gain +-se     to the first +-se\n";
  for (const types::Trial& arm : table.arms) {
    text += formatted("%-12s%6lld%15.2e%8.4f%9.4f +-%.4f%11.4f +-%.4f\n",
        core::printable(arm.name, 12).c_str(), static_cast<long long>(arm.cut), arm.learning_rate,
        arm.loss, arm.gain, arm.gain_error, arm.delta, arm.delta_error);
    for (const types::TriedRate& rate : arm.rates) {
      text += formatted("  rate x %-4.4g%22.2e%8.4f%20.4f +-%.4f to that\n", rate.factor,
          rate.factor * arm.learning_rate, rate.loss, rate.delta, rate.delta_error);
    }
  }
  return text;
}

}  // namespace salf::tools
