# Writes OUTPUT, the C++ file that names the commit of SOURCES, unless it says so already. COMMIT: the name to write
# instead of asking git, for sources without a repository.
if("${COMMIT}" STREQUAL "")
  execute_process(COMMAND git -C "${SOURCES}" rev-parse --short=12 HEAD OUTPUT_VARIABLE COMMIT ERROR_QUIET
    OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
  if(failed)
    set(COMMIT "unknown")
  else()
    execute_process(COMMAND git -C "${SOURCES}" status --porcelain --untracked-files=no OUTPUT_VARIABLE changes ERROR_QUIET)
    if(NOT "${changes}" STREQUAL "")
      string(APPEND COMMIT "+")
    endif()
  endif()
endif()
file(CONFIGURE OUTPUT "${OUTPUT}" @ONLY CONTENT [[#include "commit.h"

namespace salf::tools {

const char* const kCommit = "@COMMIT@";

}  // namespace salf::tools
]])
