#include "report/prometheus.h"

#include <cmath>

#include "core/json.h"
#include "core/log.h"

namespace salf::report {
namespace {

// Backslash, quote and newline are escaped in labels; other control characters do not get there.
std::string label(const std::string& text) {
  std::string out;
  for (const char c : core::printable(text, 4096)) {
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  return out;
}

std::string value_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return core::Json(value).dump();
}

struct Writer {
  std::string labels;
  std::string text{};

  template <class Number>
  void add(const char* name, const char* type, const char* help, Number value) {
    const std::string full = std::string("salf_") + name;
    text += "# HELP " + full + " " + help + "\n# TYPE " + full + " " + type + "\n" + full + labels +
            " " + value_text(static_cast<double>(value)) + "\n";
  }
};

}  // namespace

std::string prometheus_text(const LiveMetrics& metrics) {
  Writer writer{"{run=\"" + label(metrics.run) + "\"}"};
  writer.add("steps_total", "counter", "Optimizer steps done.", metrics.step);
  if (metrics.step > 0) {
    writer.add("epoch", "gauge", "Epoch of the last step, from 0.", metrics.epoch);
    writer.add("tokens_total", "counter", "Tokens trained on.", metrics.tokens);
    writer.add("supervised_tokens_total", "counter", "Tokens that carried loss.",
        metrics.supervised_tokens);
    writer.add("loss", "gauge", "Training loss of the last step, nats a token.", metrics.loss);
    writer.add("learning_rate", "gauge", "Learning rate of the last step.", metrics.learning_rate);
    writer.add("tokens_per_second", "gauge", "Tokens a second of the last step.",
        metrics.tokens_per_second);
    writer.add(
        "budget_spent_ratio", "gauge", "Share of the budget that is spent.", metrics.budget_spent);
  }
  if (metrics.dev_loss)
    writer.add(
        "dev_loss", "gauge", "Dev loss of the last evaluation, nats a token.", *metrics.dev_loss);
  if (metrics.dev_step)
    writer.add("dev_step", "gauge", "Steps done before the last evaluation.", *metrics.dev_step);
  return writer.text;
}

}  // namespace salf::report
