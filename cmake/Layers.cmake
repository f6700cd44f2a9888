# The modules and who may include whom: written here once; tests/layers checks every #include against it.
# A module that may not include tensor sees no torch.
set(SALF_MODULES core types cost policy tensor data model calibration convert train)
set(SALF_EDGES_core)
set(SALF_EDGES_types core)
set(SALF_EDGES_cost core types)
set(SALF_EDGES_policy core types cost)
set(SALF_EDGES_tensor core)
set(SALF_EDGES_data core tensor)
set(SALF_EDGES_model core types tensor)
set(SALF_EDGES_calibration core types tensor data model)
set(SALF_EDGES_convert core types tensor data model)
set(SALF_EDGES_train core types cost tensor data model)

# salf_module(NAME SOURCES a.cpp … [TORCH] [LIBRARIES public…])
# -> target salf_NAME with alias salf::NAME, linked to the modules that its edges allow.
function(salf_module name)
  cmake_parse_arguments(ARG "TORCH" "" "SOURCES;LIBRARIES" ${ARGN})
  salf_present(ARG_SOURCES)  # TEMPORARY while modules are being written in parallel
  add_library(salf_${name} STATIC ${ARG_SOURCES})
  add_library(salf::${name} ALIAS salf_${name})
  target_include_directories(salf_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include)
  foreach(edge IN LISTS SALF_EDGES_${name})
    target_link_libraries(salf_${name} PUBLIC salf_${edge})
  endforeach()
  target_link_libraries(salf_${name} PUBLIC ${ARG_LIBRARIES} PRIVATE salf_warnings PUBLIC salf_sanitizers)
  if(ARG_TORCH)
    target_link_libraries(salf_${name} PUBLIC torch::cpu)
    set_target_properties(salf_${name} PROPERTIES SALF_SEES_TORCH TRUE)
  endif()
  salf_unity(salf_${name})
endfunction()

function(salf_unity target)
  if(SALF_UNITY)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
  endif()
endfunction()

# salf_test(NAME SOURCES a_test.cpp … [LIBRARIES …] [LABELS unit|model|e2e|gpu] [TIMEOUT s] [THREADS n] [TOGETHER])
# -> salf_NAME_test, its cases registered with CTest under one label (unit by default). A case has THREADS threads
# (1) and CTest reserves as many cores for it, so that `ctest -j` never runs more threads than there are cores.
# TOGETHER: one CTest entry for the whole program, for cases that share something slow to load.
# Tests may include "support/…"; SALF_TEST_DATA is tests/golden, SALF_BINARY the program.
function(salf_test name)
  set(ARG_LABELS unit)
  set(ARG_TIMEOUT 120)
  set(ARG_THREADS 1)
  cmake_parse_arguments(GIVEN "TOGETHER" "LABELS;TIMEOUT;THREADS" "SOURCES;LIBRARIES" ${ARGN})
  if(GIVEN_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "salf_test(${name}): unknown arguments ${GIVEN_UNPARSED_ARGUMENTS}")
  endif()
  foreach(option IN ITEMS LABELS TIMEOUT THREADS)
    if(DEFINED GIVEN_${option})
      set(ARG_${option} ${GIVEN_${option}})
    endif()
  endforeach()

  set(target salf_${name}_test)
  salf_present(GIVEN_SOURCES)  # TEMPORARY
  if("${GIVEN_SOURCES}" MATCHES "empty.cpp")
    return()
  endif()
  add_executable(${target} ${GIVEN_SOURCES})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${target} PRIVATE ${GIVEN_LIBRARIES} GTest::gmock GTest::gtest_main salf_warnings)
  set_target_properties(${target} PROPERTIES SALF_SEES_TORCH TRUE)
  target_compile_definitions(${target} PRIVATE SALF_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/golden"
    SALF_BINARY="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/salf")
  salf_unity(${target})

  set(properties LABELS ${ARG_LABELS} TIMEOUT ${ARG_TIMEOUT} PROCESSORS ${ARG_THREADS}
    ENVIRONMENT OMP_NUM_THREADS=${ARG_THREADS})
  if(GIVEN_TOGETHER)
    add_test(NAME ${target} COMMAND ${target})
    set_tests_properties(${target} PROPERTIES ${properties} SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]")
  else()
    gtest_discover_tests(${target} DISCOVERY_TIMEOUT 60 PROPERTIES ${properties})
  endif()
endfunction()

# TEMPORARY while modules are being written in parallel: leaves out sources that are not there yet.
macro(salf_present list)
  foreach(_source IN LISTS ${list})
    if(NOT IS_ABSOLUTE ${_source} AND NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${_source})
      message(STATUS "not there yet: ${CMAKE_CURRENT_SOURCE_DIR}/${_source}")
      list(REMOVE_ITEM ${list} ${_source})
      if(NOT ${list})
        file(WRITE ${CMAKE_BINARY_DIR}/empty.cpp "")
        list(APPEND ${list} ${CMAKE_BINARY_DIR}/empty.cpp)
      endif()
    endif()
  endforeach()
endmacro()
