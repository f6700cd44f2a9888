// The commit that the program was built from; commit.cpp is made at each build
// (cmake/Commit.cmake).
#pragma once

namespace salf::tools {

extern const char* const kCommit;  // 12 hex digits, with "+" where files differ; "unknown"

}  // namespace salf::tools
