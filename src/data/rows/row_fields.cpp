#include "data/rows/row_fields.h"

#include "core/log.h"
#include "core/text.h"
#include "data/bad_input.h"

namespace salf::data {

bool holds_nothing(const core::Json& value) {
  if (value.is_string()) return value.get_ref<const std::string&>().empty();
  return value.is_null() || (value.is_structured() && value.empty());
}

std::string as_text(const core::Json& value, const std::string& where) {
  if (value.is_number()) return value.dump();
  if (!value.is_string()) core::throw_json_type(where, "a string", value);
  return value.get<std::string>();
}

const core::Json* RowFields::find(const char* key) const {
  const core::Json* const found = core::find_member(row_, key);
  return found == nullptr || found->is_null() ? nullptr : found;
}

const char* RowFields::first_of(std::initializer_list<const char*> keys) const {
  for (const char* key : keys) {
    if (find(key) != nullptr) return key;
  }
  return nullptr;
}

const core::Json* RowFields::use(const char* key) {
  used_.insert(key);
  return find(key);
}

std::string RowFields::text(const char* key) {
  const core::Json* const value = use(key);
  return value == nullptr ? "" : as_text(*value, place(key));
}

std::vector<std::string> RowFields::unused() const {
  std::vector<std::string> keys;
  for (auto item = row_.begin(); item != row_.end(); ++item) {
    if (used_.count(item.key()) == 0 && !holds_nothing(*item)) keys.push_back(item.key());
  }
  return keys;
}

std::string read_system(RowFields& fields) {
  const char* const key = fields.first_of({"system", "system_prompt"});
  return key == nullptr ? "" : fields.text(key);
}

void throw_unknown_form(const core::Json& row, const std::string& where) {
  constexpr std::size_t kMostShown = 12;
  std::vector<std::string> keys;
  for (auto item = row.begin(); item != row.end() && keys.size() < kMostShown; ++item) {
    keys.push_back(core::printable(item.key(), 40) + (item->is_null() ? " (null)" : ""));
  }
  if (row.size() > kMostShown) keys.emplace_back("…");
  refuse(where,
      "expected messages, prompt and completion (or response), instruction (and input) and output, "
      "question and answer, input and output, text, or a question with options (or choices) and "
      "answer (or answerKey); found " +
          (keys.empty() ? "no keys" : "the keys " + core::join(keys, ", ")));
}

}  // namespace salf::data
