# Where is LibTorch? salf_find_torch(OUT) sets OUT to the folder that holds lib/libtorch_cpu.so and include/torch, or to "":
# torch/ of a site-packages folder, a conda environment, or libtorch/ of LibTorch's own archive.
# Looked for in CMAKE_PREFIX_PATH (CMake's variable, then the environment's; each entry is that folder, the site-packages
# folder, or torch's own torch/share/cmake), then in the per-user cache that tools/setup fills.
# As a script, `cmake -P cmake/TorchRoot.cmake` prints the folder, and fails if there is none.
set(SALF_TORCH_VERSION 2.11.0)  # what is tested and fetched

function(salf_find_torch out)
  if(NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
    set(cache "$ENV{XDG_CACHE_HOME}/salf")
  else()
    set(cache "$ENV{HOME}/.cache/salf")
  endif()
  string(REPLACE ":" ";" environment "$ENV{CMAKE_PREFIX_PATH}")
  set(candidates)
  foreach(prefix IN LISTS CMAKE_PREFIX_PATH environment)
    list(APPEND candidates "${prefix}/torch" "${prefix}" "${prefix}/../..")
  endforeach()
  list(APPEND candidates "${cache}/torch-${SALF_TORCH_VERSION}/torch")

  set(${out} "" PARENT_SCOPE)
  foreach(candidate IN LISTS candidates)
    if(EXISTS "${candidate}/lib/libtorch_cpu.so" AND EXISTS "${candidate}/include/torch")
      file(REAL_PATH "${candidate}" root)
      set(${out} "${root}" PARENT_SCOPE)
      break()
    endif()
  endforeach()
endfunction()

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  salf_find_torch(torch)
  if(NOT torch)
    message(FATAL_ERROR "LibTorch was not found")
  endif()
  execute_process(COMMAND ${CMAKE_COMMAND} -E echo "${torch}")
endif()
