# salf::warnings: what every target of ours compiles with; LibTorch's headers are SYSTEM and stay silent.
add_library(salf_warnings INTERFACE)
target_compile_options(salf_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual -Wdouble-promotion
  $<$<BOOL:${SALF_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(salf_warnings INTERFACE -Wnull-dereference)
endif()
