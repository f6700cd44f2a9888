// HTML from values that strangers wrote: everything is escaped here and nowhere else.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "report/page/texts.h"

namespace salf::report {

// For text and attribute values: & < > " ' as entities, control and text-direction characters and
// bytes that are not UTF-8 as \xNN. At most `limit` bytes are shown.
std::string escape(const std::string& text, std::size_t limit = 20000);

// Both languages; the page's style shows one of them.
std::string words(const Text& text);
// … with {0}, {1}, … replaced by HTML.
std::string words(const Text& text, const std::vector<std::string>& parts);
// A name or sentence of a document, the same in both languages.
Text same(const std::string& text);

// <data value="VALUE" data-json="PATH">SHOWN</data>; no data-json where `path` is "" (computed
// here). shown: already escaped.
std::string datum(double value, const std::string& path, const std::string& shown);
std::string number(double value, const std::string& path, int digits = 4);
std::string integer(std::int64_t value, const std::string& path);
std::string percent(double share, const std::string& path, int digits = 3);
std::string seconds(double value, const std::string& path);
std::string flops(double value, const std::string& path);
std::string bytes(std::int64_t value, const std::string& path);
// "1.678 ± 0.024" where the error is known: 1.96 standard errors.
std::string with_error(
    double value, double standard_error, const std::string& path, int digits = 4);

struct Cell {
  std::string html;
  bool is_number = true;
};
inline Cell word_cell(const std::string& html) { return {html, false}; }

// A table that scrolls within itself where it is too wide.
std::string table(
    const std::vector<std::string>& header, const std::vector<std::vector<Cell>>& rows);
// <details> with this summary.
std::string folded(const Text& summary, const std::string& html);
std::string paragraph(const std::string& html, const char* css_class = "");
// The words of a section, each with its explanation.
std::string terms(const std::vector<Word>& list);

}  // namespace salf::report
