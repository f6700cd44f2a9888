// How does a run look to a person? As one self-contained page (HTML with inline style, script and
// SVG, nothing fetched) in English and Japanese.
#pragma once

#include <string>
#include <vector>

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
  bool follow = false;  // the page asks where it came from for newer contents (see page_body)
};

// The page. Every figure that stands in one of the documents is a <data value="…" data-json="PATH">
// within an element with data-run="INDEX": value is the document's number in full, PATH its place
// ("run.best.loss", "profile.deviations[0].deviation[3]", "plan.cut").
// REQUIRES: runs is not empty; its documents pass types::check
std::string html_report(const std::vector<RunData>& runs, const PageOptions& options);

// What stands between <main> and </main>: what changes while a run goes on.
std::string page_body(const std::vector<RunData>& runs, const PageOptions& options);

}  // namespace salf::report
