// The values that a program takes of a text's length (length_values.h), for the piece of the text
// that it reads: of a table of angles the rows of these positions, of a mask also the columns of
// the positions before.
#pragma once

#include <ATen/core/ivalue.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "model/graph/program.h"

namespace salf::model {

class PositionTables {
 public:
  // `program` gives the values for whole texts, `for_attention` as in LengthValues. `longest`:
  // tokens of a text; `mask_argument`: forward's.
  PositionTables(Program program, std::vector<bool> for_attention,
      std::optional<std::size_t> mask_argument, std::int64_t longest);

  // For the piece that `arguments` (forward's, then the slice's inputs) stand for. It follows the
  // tokens of the ops::KeyValueCache whose pass runs on this thread. Where the values of a text of
  // this length are others than those that earlier pieces had, the cache expires. Throws
  // Error(kBadModel) where rows cannot be told from the values.
  std::vector<c10::IValue> piece(const std::vector<c10::IValue>& arguments) const;

 private:
  struct Table {
    c10::IValue value;
    std::vector<std::int64_t> lengths;  // its dimensions that are as long as the text
  };
  struct Tables {
    std::int64_t length = 0;
    std::vector<Table> tables;
  };

  std::vector<c10::IValue> run(
      const std::vector<c10::IValue>& arguments, std::int64_t length) const;
  Tables made(const std::vector<c10::IValue>& arguments, std::int64_t length) const;
  // Those of a longer text where they begin with `exact`, so that longer texts need no new ones.
  Tables widened(const std::vector<c10::IValue>& arguments, Tables exact) const;
  c10::IValue rows_of(
      const Table& table, std::size_t index, std::int64_t before, std::int64_t count) const;
  static bool begins_with(const Tables& longer, const Tables& shorter);

  Program program_;
  std::vector<bool> for_attention_;
  std::optional<std::size_t> mask_argument_;
  std::int64_t longest_;
  mutable std::mutex mutex_;
  mutable Tables held_;
};

}  // namespace salf::model
