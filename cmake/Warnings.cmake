# salf_warnings: what every target of ours compiles with. LibTorch's headers are SYSTEM and stay silent.
add_library(salf_warnings INTERFACE)
target_compile_options(salf_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual -Wdouble-promotion
  $<$<BOOL:${SALF_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Inlined ATen code sets off GCC 12's -Wnull-dereference by the dozen, and nothing of it is true.
  set(_sees_torch "$<BOOL:$<TARGET_PROPERTY:SALF_SEES_TORCH>>")
  # In a unity build every file is an included one, and an anonymous namespace in an included file looks
  # like one in a header.
  set(_unity "$<BOOL:$<TARGET_PROPERTY:UNITY_BUILD>>")
  target_compile_options(salf_warnings INTERFACE
    $<$<NOT:${_sees_torch}>:-Wnull-dereference> $<${_unity}:-Wno-subobject-linkage>)
endif()
