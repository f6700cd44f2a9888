// Shows progress on stderr: a bar with the time left on a terminal, a line now and then elsewhere.
#pragma once

#include <optional>

#include "core/clock.h"
#include "core/progress.h"

namespace salf::tools {

class TerminalProgress : public core::Progress {
 public:
  TerminalProgress();
  ~TerminalProgress() override;
  TerminalProgress(const TerminalProgress&) = delete;
  TerminalProgress& operator=(const TerminalProgress&) = delete;

  void begin(const std::string& what, std::int64_t total, const std::string& unit) override;
  void update(std::int64_t done, const std::string& note) override;
  void end() override;

 private:
  double left() const;  // seconds. REQUIRES: done_ > 0
  std::string line(std::size_t width) const;
  void show();

  bool terminal_;
  bool open_ = false;                  // a bar stands on the terminal's last line
  std::optional<std::int64_t> shown_;  // how far this loop was when it was last shown
  std::string what_, unit_, note_;
  std::int64_t total_ = 0, done_ = 0;
  core::Stopwatch watch_;
  double last_shown_ = 0.0;
};

}  // namespace salf::tools
