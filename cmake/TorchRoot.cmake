# Where is LibTorch? salf_find_torch(OUT) sets OUT to the folder that holds torch/lib/libtorch_cpu.so, or to "".
# Looked for in CMAKE_PREFIX_PATH (CMake's variable, then the environment's; each entry is a site-packages folder, its
# torch/, or torch's own torch/share/cmake), then in the per-user cache that tools/lib/setup.sh fills.
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
    list(APPEND candidates "${prefix}" "${prefix}/.." "${prefix}/../../..")
  endforeach()
  list(APPEND candidates "${cache}/torch-${SALF_TORCH_VERSION}")

  set(${out} "" PARENT_SCOPE)
  foreach(candidate IN LISTS candidates)
    if(EXISTS "${candidate}/torch/lib/libtorch_cpu.so")
      file(REAL_PATH "${candidate}" root)
      set(${out} "${root}" PARENT_SCOPE)
      break()
    endif()
  endforeach()
endfunction()

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  salf_find_torch(root)
  if(NOT root)
    message(FATAL_ERROR "LibTorch was not found")
  endif()
  execute_process(COMMAND ${CMAKE_COMMAND} -E echo "${root}")
endif()
