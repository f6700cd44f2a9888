#include "core/clock.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <fstream>
#include <optional>
#include <sstream>

namespace salf::core {
namespace {

// Fields of /proc/self/stat are counted after the command's name, which may contain blanks and
// brackets.
std::optional<double> kernel_process_seconds() {
  std::ifstream stat("/proc/self/stat");
  std::string line;
  if (!std::getline(stat, line)) return std::nullopt;
  const auto end_of_name = line.rfind(')');
  if (end_of_name == std::string::npos) return std::nullopt;
  std::istringstream rest(line.substr(end_of_name + 1));
  std::string word;
  constexpr int kFieldsBeforeStart = 19;  // of man 5 proc's 22, two are the number and the name
  for (int i = 0; i < kFieldsBeforeStart; ++i) rest >> word;
  double start_ticks = 0.0;
  double uptime = 0.0;
  std::ifstream up("/proc/uptime");
  if (!(rest >> start_ticks) || !(up >> uptime)) return std::nullopt;
  return uptime - start_ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

// In steady seconds. The kernel's clock has 100 ticks a second, too coarse to be read each time.
std::atomic<double>& process_start() {
  static std::atomic<double> start{steady_seconds() - kernel_process_seconds().value_or(0.0)};
  return start;
}

}  // namespace

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double process_seconds() { return steady_seconds() - process_start(); }
void restart_process_seconds() { process_start() = steady_seconds(); }

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm calendar{};
  ::gmtime_r(&now, &calendar);
  char text[32];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &calendar);
  return {text, length};
}

}  // namespace salf::core
