// Options that every command has.
#pragma once

#include "commands/common_options.h"
#include "core/fields.h"

namespace salf::tools {

struct CommonOptions {
  bool json = false;
  bool force = false;
  bool quiet = false;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    core::begin_group(visit, "Output");
    visit(Field{"json", "print the result on stdout as JSON"}.common(), self.json);
    visit(Field{"force", "replace an earlier result"}.common(), self.force);
    visit(Field{"quiet", "no progress and no notes on stderr"}, self.quiet);
  }
};

}  // namespace salf::tools
