#include "app/generation/prompt_source.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "core/signals.h"

namespace salf::app {
namespace {

constexpr const char* kStandardInput = "-";
constexpr std::size_t kLongestLine = 1U << 24U;

// Waits without missing a signal, which another thread takes. False: stopped.
bool wait_for_input() {
  constexpr int kMilliseconds = 200;
  while (core::stop_signal() == 0) {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (::poll(&input, 1, kMilliseconds) != 0) return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> PromptOptions::problems() const {
  std::vector<std::string> problems;
  if (prompt.empty() == data.empty())
    problems.emplace_back("a prompt is needed: TEXT, - for standard input, or --data FILE");
  const auto input = std::count(prompt.begin(), prompt.end(), kStandardInput);
  if (input > 0 && prompt.size() > 1)
    problems.emplace_back("- reads the prompts from standard input: leave out the others");
  if (rows > 0 && data.empty()) problems.emplace_back("--rows is of --data");
  return problems;
}

std::optional<RawPrompt> PromptSource::next() {
  if (core::stop_signal() != 0) return std::nullopt;
  if (!options_.data.empty()) return next_row();
  if (options_.prompt.front() == kStandardInput) {
    std::optional<std::string> line = next_line();
    if (!line) return std::nullopt;
    return RawPrompt{std::move(*line), std::nullopt};
  }
  if (prompts_ == options_.prompt.size()) return std::nullopt;
  return RawPrompt{options_.prompt[prompts_++], std::nullopt};
}

std::optional<RawPrompt> PromptSource::next_row() {
  if (options_.rows > 0 && rows_ == options_.rows) return std::nullopt;
  for (;;) {
    if (!file_) {
      if (files_ == options_.data.size()) return std::nullopt;
      file_ = data::open_row_file(options_.data[files_++], options_.format);
    }
    if (std::optional<data::FileRow> row = file_->next()) {
      ++rows_;
      return RawPrompt{"", std::move(row)};
    }
    file_.reset();
  }
}

// The next line that is not empty, without its end.
std::optional<std::string> PromptSource::next_line() {
  for (;;) {
    const std::size_t end = input_.find('\n');
    if (end == std::string::npos && !ended_) {
      std::array<char, 4096> bytes{};
      const bool more = wait_for_input() && input_.size() < kLongestLine;
      const auto count = more ? ::read(STDIN_FILENO, bytes.data(), bytes.size()) : 0;
      ended_ = count <= 0;
      if (!ended_) input_.append(bytes.data(), static_cast<std::size_t>(count));
      continue;
    }
    std::string line = input_.substr(0, end);
    input_.erase(0, end == std::string::npos ? end : end + 1);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (core::stop_signal() != 0 || (line.empty() && input_.empty() && ended_)) return std::nullopt;
    if (!line.empty()) return line;
  }
}

data::Prompt PromptSource::make(const RawPrompt& raw, data::PromptMaker& maker) const {
  if (raw.row) return maker.row(*raw.row);
  return options_.chat ? maker.question(raw.text) : maker.plain(raw.text);
}

}  // namespace salf::app
