// What commands have in common: options, the wording of missing ones, checks of the file to write,
// and the way to print.
#pragma once

#include "core/fields.h"
#include "core/json.h"

namespace salf::tools {

struct CommonOptions {
  bool json = false;
  bool force = false;
  bool quiet = false;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    core::begin_group(visit, "Output");
    visit(Field{"json", "print the result on stdout as JSON"}.common(), self.json);
    visit(Field{"force", "replace an earlier result"}.common(), self.force);
    visit(Field{"quiet", "no progress and no notes on stderr"}, self.quiet);
  }
};

// Each adds a problem where the value of a required option is "".
void require_model(const std::string& model, std::vector<std::string>& problems);
// `purpose`: "the documents to score"
void require_data(const std::vector<std::string>& data, const std::string& purpose,
    std::vector<std::string>& problems);
void require_output(const std::string& output, std::vector<std::string>& problems);

// Called before the work. Makes the folder of the file. An existing file may be replaced only with
// `force`, and only if it is a document of this schema. Throws Error(kUsage), or Error(kIo) where
// nothing can be written.
void check_output_file(const std::filesystem::path& path, const std::string& schema, bool force);

// The same for a text that begins with `beginning`; `what` names it ("page").
void check_output_text(
    const std::filesystem::path& path, const std::string& beginning, const char* what, bool force);

// Prints the result of a command: as JSON with --json, else as text. Returns the exit code 0.
int print_result(const CommonOptions& common, const core::Json& json, const std::string& text);
// "\nwritten to FILE\n"
std::string written_text(const std::string& file);

}  // namespace salf::tools
