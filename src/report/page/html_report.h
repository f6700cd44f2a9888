// The report page: one self-contained HTML file (inline style, script and SVG) in English and
// Japanese.
#pragma once

#include "core/fields.h"
#include "report/run_data.h"

namespace salf::report {

enum class Language { kEnglish, kJapanese };
inline std::vector<core::EnumName<Language>> enum_names(Language) {
  return {{Language::kEnglish, "en"}, {Language::kJapanese, "ja"}};
}

struct PageOptions {
  Language language = Language::kEnglish;  // shown first; the page has a switch
  bool text = true;                        // false: tokens and words of the data are left out
  bool follow = false;                     // the page asks its server for a newer page_body
};

extern const char* const kStyle;         // CSS
extern const char* const kScript;        // language, theme, open tables before printing
extern const char* const kFollowScript;  // asks for newer contents

// The page. A figure of a document is a <data value="…" data-json="PATH"> within an element with
// data-run="INDEX": the value in full, and its place ("run.best.loss", "plan.eof").
// REQUIRES: runs is not empty; its documents pass types::check
std::string html_report(const std::vector<RunData>& runs, const PageOptions& options);

// The contents of <main>, which change while a run goes on.
std::string page_body(const std::vector<RunData>& runs, const PageOptions& options);

}  // namespace salf::report
