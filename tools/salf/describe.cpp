#include "describe.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <typeinfo>

#include "app/bench/bench_record.h"
#include "app/doctor/doctor.h"
#include "app/version.h"
#include "command_list.h"
#include "convert/export/export.h"
#include "cost/energy.h"
#include "cost/hardware.h"
#include "cost/money.h"
#include "model/model_directory.h"
#include "policy/prediction.h"
#include "report/compare/compare.h"
#include "types/generation.h"
#include "types/trial_table.h"

namespace salf::tools {
namespace {

// "types::RunRecord"
std::string type_name(const std::type_info& type) {
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, nullptr), std::free);
  const std::string text = name ? name.get() : type.name();
  return text.rfind("salf::", 0) == 0 ? text.substr(6) : text;
}

// The fields of documents, and of the structs within them, each type once.
class TypeTable {
 public:
  template <class T> std::string add() {
    const std::string name = type_name(typeid(T));
    if (!types_.contains(name)) {
      types_[name] = core::Json::array();
      FieldLister lister{*this, core::Json::array()};
      T value{};
      T::fields(value, lister);
      types_[name] = std::move(lister.fields);
    }
    return name;
  }
  const core::Json& types() const { return types_; }

 private:
  struct FieldLister {
    TypeTable& table;
    core::Json fields;

    template <class T> void operator()(const core::Field& field, const T& /*value*/) {
      core::Json description = {{"name", field.name}};
      table.describe<T>(description);
      const std::string range = core::range_text(field);
      if (!range.empty()) description["range"] = range;
      if (field.help[0] != '\0') description["help"] = field.help;
      fields.push_back(std::move(description));
    }
  };

  // "lists": how many lists are around the value.
  template <class T> void describe(core::Json& description, int lists = 0) {
    if (lists > 0) description["lists"] = lists;
    if constexpr (core::IsOptional<T>::value) {
      description["optional"] = true;
      describe<typename T::value_type>(description, lists);
    } else if constexpr (core::IsVector<T>::value) {
      describe<typename T::value_type>(description, lists + 1);
    } else if constexpr (core::IsDescribed<T>::value) {
      description["type"] = add<T>();
    } else if constexpr (std::is_same_v<T, core::Json>) {
      description["takes"] = "object";
    } else if constexpr (std::is_same_v<T, bool>) {
      description["takes"] = "true or false";
    } else if constexpr (std::is_same_v<T, std::string>) {
      description["takes"] = "text";
    } else {
      description["takes"] = detail::type_text<T>();
    }
  }

  core::Json types_ = core::Json::object();
};

template <class... Documents> void add_documents(core::Json& description) {
  TypeTable table;
  core::Json& documents = description["documents"] = core::Json::array();
  (documents.push_back({{"schema", Documents::kSchema}, {"type", table.add<Documents>()}}), ...);
  description["types"] = table.types();
}

core::Json exit_codes() {
  core::Json codes = core::Json::array();
  const auto add = [&](const std::string& code, const char* meaning) {
    codes.push_back({{"code", code}, {"meaning", meaning}});
  };
  const auto of = [](ErrorKind kind) { return std::to_string(static_cast<int>(kind)); };
  add("0", "done");
  add(of(ErrorKind::kRegression),
      "salf compare found a regression, or a gate of salf train failed");
  add(of(ErrorKind::kUsage), "unknown or contradictory options; all of them are reported at once");
  add(of(ErrorKind::kBadInput), "bad data, configuration or plan; the message names file and line");
  add(of(ErrorKind::kBadModel),
      "the model cannot be loaded, is not safe to load, cannot be cut, or its loss is not finite");
  add(of(ErrorKind::kIo), "input or output failed: a missing file, a full disk");
  add(of(ErrorKind::kBudget), "the budget is too small for any plan");
  add(of(ErrorKind::kMemory), "out of memory, of the machine or of the GPU");
  add(of(ErrorKind::kInternal), "an error in salf itself");
  add("128+n", "stopped by signal n; salf train has written a checkpoint");
  return codes;
}

}  // namespace

core::Json detail::OptionDescriber::begin(const core::Field& field) const {
  core::Json option = {{"flag", core::flag_name(field.name)}};
  if (const std::string letter = short_flag(field); !letter.empty()) option["short"] = letter;
  if (field.former != nullptr) option["former"] = core::flag_name(field.former);
  option["help"] = field.help;
  const std::string range = core::range_text(field);
  if (!range.empty()) option["range"] = range;
  option["group"] = heading_;
  if (field.often_used) option["common"] = true;
  if (std::find(positional_.begin(), positional_.end(), field.name) != positional_.end())
    option["positional"] = true;
  return option;
}

core::Json describe_program() {
  core::Json description = {{"version", app::kVersion}, {"commands", core::Json::array()}};
  for (const Command& command : commands()) {
    description["commands"].push_back(
        {{"name", command.text.name}, {"summary", command.text.summary},
            {"examples", command.text.examples}, {"options", command.options()}});
  }
  add_documents<types::LayerProfile, types::FreezePlan, types::RunRecord, types::DevLosses,
      types::EvaluationRecord, types::Generation, types::RunAnswers, types::TrialTable,
      app::BenchRecord, app::DocumentLosses, report::Comparison, convert::ExportResult,
      model::ModelCard, app::MachineReport, policy::Prior, cost::HardwareTable, cost::PriceTable,
      cost::GridTable>(description);
  description["exit_codes"] = exit_codes();
  return description;
}

}  // namespace salf::tools
