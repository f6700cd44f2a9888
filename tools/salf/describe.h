// What the program takes and writes, as JSON: `salf --describe`. The reference in docs/, the
// completions and the manual pages are made from it (tools/reference), and other programs may use
// it. Everything comes from the field lists that also read options and files.
#pragma once

#include "core/json.h"
#include "flag_values.h"

namespace salf::tools {

// {"version", "commands": [{name, summary, examples, options}], "documents": [{schema, type}],
// "types": {type: [field]}, "exit_codes": [{code, meaning}]}
core::Json describe_program();

namespace detail {

// Collects the options of one command: [{flag, short, former, takes, default, help, range, group,
// common, positional, repeats}]. Members that say nothing are left out.
class OptionDescriber {
 public:
  explicit OptionDescriber(const std::vector<std::string>& positional) : positional_(positional) {}

  template <class T> void operator()(const core::Field& field, const T& value) {
    core::Json option = begin(field);
    if constexpr (!std::is_same_v<T, bool>) {
      option["takes"] = type_text<T>();
      const std::string shown = default_text(value);
      if (!shown.empty()) option["default"] = shown;
    }
    if (core::IsVector<T>::value) option["repeats"] = true;
    options_.push_back(std::move(option));
  }
  void begin_group(const char* heading) { heading_ = heading; }

  const core::Json& options() const { return options_; }

 private:
  core::Json begin(const core::Field& field) const;

  const std::vector<std::string>& positional_;
  core::Json options_ = core::Json::array();
  std::string heading_ = "Options";
};

}  // namespace detail

template <class Options> core::Json describe_options(const std::vector<std::string>& positional) {
  Options options;
  detail::OptionDescriber describer(positional);
  Options::fields(options, describer);
  return describer.options();
}

}  // namespace salf::tools
