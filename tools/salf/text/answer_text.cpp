#include "text/answer_text.h"

#include <algorithm>
#include <sstream>

#include "text/terminal_text.h"

namespace salf::tools {
namespace {

constexpr std::size_t kEndless = std::string::npos;
constexpr std::size_t kTwoColumns = 60;  // columns of a terminal that has room for two
constexpr std::size_t kMargin = 16;      // of the names in named()

std::string without_tabs(std::string text) {
  for (std::size_t at = text.find('\t'); at != std::string::npos; at = text.find('\t', at))
    text.replace(at, 1, "    ");
  return text;
}

// The last lines of a prompt, the first ones of an answer.
enum class Kept { kFirst, kLast };

std::string named_lines(
    const std::string& name, const std::string& text, const TextStyle& style, Kept kept) {
  constexpr std::size_t kMost = 4;
  std::vector<std::string> lines =
      text_lines(text, style.width > 2 * kMargin ? style.width - kMargin : kMargin);
  if (lines.size() > kMost && kept == Kept::kFirst) {
    lines.resize(kMost);
    lines.back() += " …";
  } else if (lines.size() > kMost) {
    lines.erase(lines.begin(), lines.end() - kMost);
    lines.front() = "… " + lines.front();
  }
  std::string out;
  for (const std::string& line : lines)
    out += trimmed(left(out.empty() ? name : "", kMargin) + line) + "\n";
  return out;
}

}  // namespace

std::vector<std::string> text_lines(const std::string& text, std::size_t width) {
  std::vector<std::string> lines;
  std::istringstream stream(without_tabs(terminal_text(text)));
  for (std::string line; std::getline(stream, line);) {
    for (std::string& part : wrapped(line, width)) lines.push_back(std::move(part));
  }
  if (lines.empty()) lines.emplace_back();
  return lines;
}

std::string side_by_side(const TitledText& first, const TitledText& second, std::size_t width) {
  if (width < kTwoColumns) {
    std::string out;
    for (const TitledText* one : {&first, &second}) {
      out += one->title + ":\n";
      for (const std::string& line : text_lines(one->text, width == 0 ? kEndless : width))
        out += line + "\n";
    }
    return out;
  }
  const std::size_t column = (width - 3) / 2;
  const auto column_of = [column](const TitledText& one) {
    std::vector<std::string> lines = {shortened(one.title, column), std::string(column, '-')};
    for (std::string& line : text_lines(one.text, column)) lines.push_back(std::move(line));
    return lines;
  };
  const std::vector<std::string> one = column_of(first), other = column_of(second);
  std::string out;
  for (std::size_t i = 0; i < std::max(one.size(), other.size()); ++i) {
    out += trimmed(left(i < one.size() ? one[i] : "", column) + " | " +
                   (i < other.size() ? other[i] : "")) +
           "\n";
  }
  return out;
}

std::string answers_text(const types::RunAnswers& answers, const TextStyle& style) {
  if (answers.answers.empty()) return "";
  std::string out = heading("answers to held-out prompts", style);
  for (const types::AnswerPair& pair : answers.answers) {
    if (&pair != &answers.answers.front()) out += "\n";
    out += named_lines("prompt", pair.prompt, style, Kept::kLast);
    out += named_lines("reference", pair.reference, style, Kept::kFirst);
    out += named_lines("before", pair.before, style, Kept::kFirst);
    if (pair.after) out += named_lines("after", *pair.after, style, Kept::kFirst);
  }
  return out;
}

}  // namespace salf::tools
