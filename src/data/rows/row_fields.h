// The fields of a row, with a record of those that were used.
#pragma once

#include <initializer_list>
#include <set>
#include <string>
#include <string_view>

#include "data/rows/row_file.h"

namespace salf::data {

// Reads an object's members. A member that is null, "", [] or {} holds nothing, so that leaving it
// out drops nothing. Keeps references to its arguments.
class RowFields {
 public:
  RowFields(const core::Json& row, const std::string& where) : row_(row), where_(where) {}

  const std::string& where() const { return where_; }
  std::string place(std::string_view key) const { return where_ + ": " + std::string(key); }

  // The member, or null if it is absent or null. Only use() marks it as used.
  const core::Json* find(const char* key) const;
  // The first of `keys` that has a member that is not null, or null.
  const char* first_of(std::initializer_list<const char*> keys) const;
  const core::Json* use(const char* key);
  // A string, or a number as it stands in the file; "" if the member is absent or null. Throws
  // Error(kBadInput) for another type.
  std::string text(const char* key);
  void mark(const char* key) { used_.insert(key); }
  // The keys that hold something and were not used, in the row's order.
  std::vector<std::string> unused() const;

 private:
  const core::Json& row_;
  const std::string& where_;
  std::set<std::string> used_;
};

// True for null, "", [] and {}.
bool holds_nothing(const core::Json& value);

// A string, or a number as it stands in the file. Throws Error(kBadInput) for another type.
std::string as_text(const core::Json& value, const std::string& where);

// What stands under system or system_prompt.
std::string read_system(RowFields& fields);

// Refuses the row, with the forms that are read and the keys that were found.
[[noreturn]] void throw_unknown_form(const core::Json& row, const std::string& where);

// The conversation of a row with messages, conversations, or a prompt that is a list of messages;
// nothing for other rows. Throws Error(kBadInput).
std::optional<Conversation> read_conversation(RowFields& fields);

// The options of a question and the right one; nothing for rows without both. Throws
// Error(kBadInput).
std::optional<Question> read_options(RowFields& fields);
// The options that the instruction lists as "answer1: … answer2: …" (see ChoiceRow, dataset.h).
std::optional<Question> listed_question(
    RowFields& fields, const std::string& prompt, const std::string& completion);

}  // namespace salf::data
