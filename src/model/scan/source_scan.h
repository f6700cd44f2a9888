// Checks that TorchScript's own parser can read a program without running out of stack. The parser
// descends once for each nested expression, each block and each definition that another one needs,
// and some thousands of them end the process.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

namespace salf::model {

// With the letters A … Z as small ones: records are found whatever their case.
std::string lower(std::string text);

class SourceScan {
 public:
  // `name` begins the error messages.
  explicit SourceScan(std::string name) : name_(std::move(name)) {}

  // One record of code ("code/__torch__/a/b.py") and its text. Throws Error(kBadModel) if an
  // expression holds more than 500 tokens that no comma divides, a line is indented by more than
  // 1,000 characters, or the record has more than 500 elifs.
  void add(const std::string& record, std::string_view source);

  // After all records: throws Error(kBadModel) if more than 500 definitions need each other in a
  // row, or some in a circle.
  void check_definitions() const;

 private:
  friend class SourceReader;

  std::string name_;
  // By qualified name ("__torch__.a.b.Linear"): the dotted names in its text.
  std::map<std::string, std::set<std::string>> needs_;
};

}  // namespace salf::model
