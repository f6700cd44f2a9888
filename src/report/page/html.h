// HTML made from untrusted text: everything is escaped here and nowhere else.
#pragma once

#include <utility>

#include "report/page/texts.h"

namespace salf::report {

// Text for element contents and attribute values. & < > " ' become entities; control characters,
// text-direction characters and invalid UTF-8 become \xNN. At most `limit` bytes are shown.
std::string escape(const std::string& text, std::size_t limit = 20000);

// HTML in both languages; the page's style shows one of them. `parts` are HTML and replace {0},
// {1}, … of the text.
std::string words(const Text& text, const std::vector<std::string>& parts = {});
std::string words(Word word, const std::vector<std::string>& parts = {});
// The text in both languages with the parts filled in, not escaped.
Text filled(const Text& text, const std::vector<std::string>& parts);
// The same text in both languages.
Text same(const std::string& text);
// Both languages with `more` at the end.
Text append(Text text, const std::string& more);

// <data value="VALUE" data-json="PATH">SHOWN</data>; an empty `path` (a computed value) gives no
// data-json. `shown` is HTML. A value that is not finite gives a dash.
std::string datum(double value, const std::string& path, const std::string& shown);
std::string number(double value, const std::string& path, int digits = 4);
std::string integer(std::int64_t value, const std::string& path);
std::string percent(double share, const std::string& path, int digits = 3);
std::string seconds(double value, const std::string& path);
std::string flops(double value, const std::string& path);
std::string bytes(std::int64_t value, const std::string& path);
// "1.678 ± 0.024": the value and 1.96 standard errors, where the error is finite.
std::string with_error(
    double value, double standard_error, const std::string& path, int digits = 4);

// The JSON path of an array's item: "run.gates[2]".
std::string indexed(const std::string& path, std::size_t index);

// A table's cell: a number's HTML, or words.
struct Cell {
  std::string html;
  bool is_number = true;

  Cell(std::string content, bool number = true) : html(std::move(content)), is_number(number) {}
  Cell(Word word) : Cell(words(word), false) {}
};
inline Cell word_cell(const std::string& html) { return {html, false}; }
using Row = std::vector<Cell>;
using Rows = std::vector<Row>;

// A table that scrolls within itself where it is too wide.
std::string table(const std::vector<std::string>& header, const Rows& rows);
std::string table(const std::vector<Word>& header, const Rows& rows);
// <details> with this summary.
std::string folded(const Text& summary, const std::string& html);
std::string paragraph(const std::string& html, const char* css_class = "");
std::string paragraph(Word word, const char* css_class = "");
std::string paragraph(Word word, const std::vector<std::string>& parts, const char* css_class = "");
std::string heading(Word word);
std::string code(const std::string& html);
// Charts beside one another.
std::string figures(const std::string& html);
// The words of a section, each with its explanation.
std::string terms(const std::vector<Word>& list);

}  // namespace salf::report
