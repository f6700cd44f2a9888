// Does this fail with an Error of that kind, and does its message say so?
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "core/error.h"

namespace salf::testing {

template <class Action>
void expect_error(ErrorKind kind, const std::string& part_of_message, const Action& action) {
  try {
    action();
    ADD_FAILURE() << "expected an Error with \"" << part_of_message << "\", got none";
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(kind)) << error.what();
    EXPECT_NE(std::string(error.what()).find(part_of_message), std::string::npos)
        << "expected \"" << part_of_message << "\" in: " << error.what();
  }
}

}  // namespace salf::testing
