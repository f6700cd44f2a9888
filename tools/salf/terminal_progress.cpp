#include "terminal_progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/text.h"
#include "text/columns.h"

namespace salf::tools {
namespace {

constexpr double kTerminalInterval = 0.1;  // s between two states of the bar
constexpr double kLineInterval = 15.0;     // s between two lines where there is no terminal
constexpr std::size_t kProgressWidth = 20;

}  // namespace

TerminalProgress::TerminalProgress() : terminal_(isatty(STDERR_FILENO) == 1) {}

TerminalProgress::~TerminalProgress() {
  if (open_) std::fputc('\n', stderr);
}

void TerminalProgress::begin(const std::string& what, std::int64_t total, const std::string& unit) {
  what_ = what;
  unit_ = unit;
  total_ = total;
  done_ = 0;
  note_.clear();
  shown_.reset();
  watch_ = core::Stopwatch();
  last_shown_ = 0.0;
}

void TerminalProgress::update(std::int64_t done, const std::string& note) {
  done_ = done;
  note_ = note;
  const double now = watch_.seconds();
  if (now - last_shown_ < (terminal_ ? kTerminalInterval : kLineInterval)) return;
  last_shown_ = now;
  show();
}

void TerminalProgress::end() {
  // A short loop leaves no trace, and no line is written twice.
  const bool written = !terminal_ && shown_ == done_;
  if (!written && (shown_ || watch_.seconds() > 2.0)) show();
  if (open_) std::fputc('\n', stderr);
  open_ = false;
}

double TerminalProgress::left() const {
  const auto rest = static_cast<double>(total_ - done_);
  return unit_ == "seconds" ? rest : watch_.seconds() * rest / static_cast<double>(done_);
}

std::string TerminalProgress::line(std::size_t width) const {
  const double seconds = watch_.seconds();
  std::string text = what_ + " ";
  if (total_ > 0) {
    const double share = std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
    if (terminal_ && width >= 60) {
      const auto filled = static_cast<std::size_t>(share * static_cast<double>(kProgressWidth));
      text += "[" + std::string(filled, '#') + std::string(kProgressWidth - filled, '.') + "] ";
    }
    text += core::format_count(done_) + "/" + core::format_count(total_) + " " + unit_;
    if (done_ >= total_) {
      text += ", " + core::format_seconds(seconds);
    } else if (done_ > 0) {
      text += ", " + core::format_seconds(left()) + " left";
    }
  } else {
    text += core::format_count(done_) + " " + unit_ + ", " + core::format_seconds(seconds);
  }
  if (!note_.empty()) text += ", " + note_;
  return text.substr(0, std::max<std::size_t>(11, width) - 1);
}

void TerminalProgress::show() {
  shown_ = done_;
  if (terminal_) {
    std::fprintf(stderr, "\r\033[K%s", line(terminal_columns(STDERR_FILENO)).c_str());
    open_ = true;
  } else {
    std::fprintf(stderr, "%s\n", line(1000).c_str());
  }
  std::fflush(stderr);
}

}  // namespace salf::tools
