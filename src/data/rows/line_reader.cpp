#include "data/rows/line_reader.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/text.h"

namespace salf::data {
namespace {

constexpr std::size_t kLongestLine = std::size_t{256} << 20U;
constexpr std::size_t kLargestWhole = std::size_t{1} << 30U;
constexpr std::size_t kChunkSize = std::size_t{1} << 16U;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

bool is_blank(std::string_view line) {
  return line.find_first_not_of(kBlank) == std::string_view::npos;
}

std::optional<std::string> byte_problem(std::string_view line) {
  const std::size_t nul = line.find('\0');
  if (nul != std::string_view::npos) {
    return "byte " + std::to_string(nul + 1) + " of the line is NUL: expected text";
  }
  const auto invalid = core::invalid_utf8(line);
  if (!invalid) return std::nullopt;
  return "byte " + std::to_string(*invalid + 1) +
         " of the line is not valid UTF-8: expected UTF-8 text; "
         "convert the file (iconv -f LATIN1 -t UTF-8)";
}

bool LineReader::next(std::string& line) {
  if (!peeked_) return read_line(line);
  line = std::move(*peeked_);
  peeked_.reset();
  return true;
}

const std::string* LineReader::peek() {
  while (!peeked_) {
    std::string line;
    if (!read_line(line)) return nullptr;
    if (!is_blank(line)) peeked_ = std::move(line);
  }
  return &*peeked_;
}

std::string LineReader::rest() {
  std::string text;
  if (peek() == nullptr) return text;
  text.assign(static_cast<std::size_t>(number_ - 1), '\n');
  text += *peeked_;
  if (ended_) text += '\n';
  peeked_.reset();
  do {
    text.append(buffer_, begin_, std::string::npos);
    begin_ = buffer_.size();
    if (text.size() > kLargestWhole) {
      throw Error(ErrorKind::kIo, file_.name() + ": more than " +
                                      core::format_bytes(kLargestWhole) +
                                      " in one JSON value; make it JSON lines, a row a line");
    }
  } while (refill());
  return text;
}

bool LineReader::read_line(std::string& line) {
  line.clear();
  ended_ = false;
  bool any = false;
  while (!ended_) {
    if (begin_ == buffer_.size() && !refill()) break;
    any = true;
    const std::size_t end = std::min(buffer_.find('\n', begin_), buffer_.size());
    line.append(buffer_, begin_, end - begin_);
    ended_ = end < buffer_.size();
    begin_ = end + (ended_ ? 1 : 0);
    if (line.size() > kLongestLine) throw_long_line();
  }
  if (!any) return false;
  if (++number_ == 1 && line.compare(0, kByteOrderMark.size(), kByteOrderMark) == 0) {
    line.erase(0, kByteOrderMark.size());
  }
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return true;
}

bool LineReader::refill() {
  buffer_.resize(kChunkSize);
  buffer_.resize(file_.read(buffer_.data(), buffer_.size()));
  begin_ = 0;
  return !buffer_.empty();
}

void LineReader::throw_long_line() const {
  throw Error(ErrorKind::kIo, file_.name() + ":" + std::to_string(number_ + 1) +
                                  ": the line is longer than " + core::format_bytes(kLongestLine) +
                                  "; expected JSON lines or text");
}

}  // namespace salf::data
