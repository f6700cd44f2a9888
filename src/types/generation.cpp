#include "types/generation.h"

#include "types/range_check.h"

namespace salf::types {

RunAnswers read_answers(const std::filesystem::path& path) {
  auto answers = core::read_document<RunAnswers>(path);
  check_ranges(answers, path.string());
  return answers;
}

}  // namespace salf::types
