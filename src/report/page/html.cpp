#include "report/page/html.h"

#include <cmath>

#include "core/json.h"
#include "core/log.h"
#include "core/statistics.h"
#include "core/text.h"

namespace salf::report {
namespace {

// Whether the three bytes at `place` are a character that turns the direction of text (U+200E,
// U+200F, U+202A … U+202E, U+2066 … U+2069) or ends a line in scripts (U+2028, U+2029).
bool is_direction(const std::string& text, std::size_t place) {
  if (place + 2 >= text.size() || text[place] != '\xE2') return false;
  const auto last = static_cast<unsigned char>(text[place + 2]);
  if (text[place + 1] == '\x80')
    return last == 0x8E || last == 0x8F || (last >= 0xA8 && last <= 0xAE);
  return text[place + 1] == '\x81' && last >= 0xA6 && last <= 0xA9;
}

std::string hexadecimal(char character) {
  constexpr const char* kDigits = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(character);
  return std::string("\\x") + kDigits[byte >> 4] + kDigits[byte & 15];
}

std::string replaced(const std::string& text, const std::vector<std::string>& parts) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool place = text[i] == '{' && i + 2 < text.size() && text[i + 2] == '}';
    const auto index = place ? static_cast<std::size_t>(text[i + 1] - '0') : parts.size();
    if (index < parts.size()) {
      out += parts[index];
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

Text duration(double value) {
  const std::string english = core::format_seconds(value);
  std::string japanese = english;
  replace_all(japanese, " min", " 分");
  replace_all(japanese, " ms", " ミリ秒");
  replace_all(japanese, " h", " 時間");
  replace_all(japanese, " s", " 秒");
  return {english, japanese};
}

}  // namespace

std::string escape(const std::string& text, std::size_t limit) {
  const std::string safe = core::printable(text, limit);
  std::string out;
  for (std::size_t i = 0; i < safe.size(); ++i) {
    if (is_direction(safe, i)) {
      for (std::size_t k = 0; k < 3; ++k) out += hexadecimal(safe[i + k]);
      i += 2;
      continue;
    }
    switch (safe[i]) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += safe[i];
    }
  }
  return out;
}

Text filled(const Text& text, const std::vector<std::string>& parts) {
  return {replaced(text.en, parts), replaced(text.ja, parts)};
}

std::string words(const Text& text, const std::vector<std::string>& parts) {
  const Text html = filled({escape(text.en), escape(text.ja)}, parts);
  if (text.en == text.ja) return html.en;
  return "<span lang=\"en\">" + html.en + "</span><span lang=\"ja\">" + html.ja + "</span>";
}

std::string words(Word word, const std::vector<std::string>& parts) {
  return words(text(word), parts);
}

Text same(const std::string& text) { return {text, text}; }

Text append(Text text, const std::string& more) { return {text.en + more, text.ja + more}; }

std::string datum(double value, const std::string& path, const std::string& shown) {
  if (!std::isfinite(value)) return "–";
  std::string out = "<data value=\"" + core::Json(value).dump() + "\"";
  if (!path.empty()) out += " data-json=\"" + escape(path) + "\"";
  return out + ">" + shown + "</data>";
}

std::string number(double value, const std::string& path, int digits) {
  return datum(value, path, core::format_number(value, digits));
}

std::string integer(std::int64_t value, const std::string& path) {
  return datum(static_cast<double>(value), path, core::format_count(value));
}

std::string percent(double share, const std::string& path, int digits) {
  return datum(share, path, core::format_number(100.0 * share, digits) + "&nbsp;%");
}

std::string seconds(double value, const std::string& path) {
  return datum(value, path, words(duration(value)));
}

std::string flops(double value, const std::string& path) {
  return datum(value, path, core::format_flops(value));
}

std::string bytes(std::int64_t value, const std::string& path) {
  if (value < 0) return "–";
  return datum(
      static_cast<double>(value), path, core::format_bytes(static_cast<std::uint64_t>(value)));
}

std::string with_error(double value, double standard_error, const std::string& path, int digits) {
  std::string out = number(value, path, digits);
  if (!std::isfinite(standard_error)) return out;
  return out + " ± " + number(core::kNormal95 * standard_error, "", 2);
}

std::string indexed(const std::string& path, std::size_t index) {
  return path + "[" + std::to_string(index) + "]";
}

std::string table(const std::vector<std::string>& header, const Rows& rows) {
  std::string out = "<div class=\"scroll\"><table><thead><tr>";
  for (const std::string& cell : header) out += "<th scope=\"col\">" + cell + "</th>";
  out += "</tr></thead><tbody>";
  for (const Row& row : rows) {
    out += "<tr>";
    for (const Cell& cell : row) {
      const bool first = &cell == &row.front();
      out += first ? "<th scope=\"row\">" : cell.is_number ? "<td class=\"n\">" : "<td>";
      out += cell.html + (first ? "</th>" : "</td>");
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

std::string table(const std::vector<Word>& header, const Rows& rows) {
  std::vector<std::string> cells;
  for (const Word word : header) cells.push_back(words(word));
  return table(cells, rows);
}

std::string folded(const Text& summary, const std::string& html) {
  return "<details><summary>" + words(summary) + "</summary>" + html + "</details>\n";
}

std::string paragraph(const std::string& html, const char* css_class) {
  const std::string attribute =
      *css_class == '\0' ? "" : std::string(" class=\"") + css_class + "\"";
  return "<p" + attribute + ">" + html + "</p>\n";
}

std::string paragraph(Word word, const char* css_class) {
  return paragraph(words(word), css_class);
}

std::string paragraph(Word word, const std::vector<std::string>& parts, const char* css_class) {
  return paragraph(words(word, parts), css_class);
}

std::string heading(Word word) { return "<h3>" + words(word) + "</h3>"; }

std::string code(const std::string& html) { return "<code>" + html + "</code>"; }

std::string figures(const std::string& html) { return "<div class=\"figures\">" + html + "</div>"; }

std::string terms(const std::vector<Word>& list) {
  std::string out = "<dl class=\"terms\">";
  for (const Word word : list) {
    out += "<div><dt>" + words(word) + "</dt><dd>" + words(explanation(word)) + "</dd></div>";
  }
  return out + "</dl>\n";
}

}  // namespace salf::report
