// The error for input that cannot be used.
#pragma once

#include "core/error.h"

namespace salf::data {

// Throws Error(kBadInput) "where: problem".
[[noreturn]] inline void refuse(const std::string& where, const std::string& problem) {
  throw Error(ErrorKind::kBadInput, where + ": " + problem);
}

}  // namespace salf::data
