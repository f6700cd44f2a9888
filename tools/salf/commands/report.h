// salf report: writes a page that explains one or more runs.
#pragma once

#include <vector>

#include "commands/common_options.h"
#include "core/progress.h"
#include "report/page/html_report.h"

namespace salf::tools {

struct ReportOptions {
  CommonOptions common;
  std::vector<std::string> runs;
  report::Language lang = report::Language::kEnglish;
  bool no_text = false;
  bool follow = false;
  std::int64_t port = 0;
  std::string output = "report.html";

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    CommonOptions::fields(self.common, visit);
    core::begin_group(visit, "Report");
    visit(Field{"runs",
              "run directories (or a run.json, profile.json or plan.json), beside one another"},
        self.runs);
    visit(Field{"lang", "language that is shown first; the page has a switch"}, self.lang);
    visit(Field{"no_text", "leave out tokens and words of the data"}, self.no_text);
    visit(
        Field{"follow", "serve the page on 127.0.0.1 while a run goes on, until it ends or Ctrl-C"},
        self.follow);
    visit(Field{"port", "of --follow; 0: a free one"}.range(0, 65535), self.port);
    visit(Field{"output", "file to write the page to"}.common(), self.output);
  }

  std::vector<std::string> problems() const;
};

// Returns 0; with --follow 128 + n after signal n. Throws Error; the output is then as it was.
int run(const ReportOptions& options, core::Progress& progress);

}  // namespace salf::tools
