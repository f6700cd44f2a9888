# The modules and who may include whom: written here once; tests/layers checks every #include against it.
# A module that may not include tensor sees no torch.
set(SALF_MODULES core types cost policy report tensor ops distributed data model calibration convert train generate app api)
set(SALF_EDGES_core)
set(SALF_EDGES_types core)
set(SALF_EDGES_cost core types)
set(SALF_EDGES_policy core types cost)
set(SALF_EDGES_report core types)
set(SALF_EDGES_tensor core)
set(SALF_EDGES_ops core tensor)
set(SALF_EDGES_distributed core tensor)
set(SALF_EDGES_data core tensor)
set(SALF_EDGES_model core types tensor ops)
set(SALF_EDGES_calibration core types tensor ops distributed data model)
set(SALF_EDGES_convert core types tensor ops data model)
set(SALF_EDGES_train core types cost tensor ops distributed data model)
set(SALF_EDGES_generate core types tensor ops data model)
set(SALF_EDGES_app core types cost policy tensor ops distributed data model calibration convert train generate)
set(SALF_EDGES_api core types policy tensor data calibration convert train app)

# salf_module(NAME SOURCES a.cpp … [TORCH] [LIBRARIES public…])
# -> target salf_NAME with alias salf::NAME, linked to the modules that its edges allow.
function(salf_module name)
  cmake_parse_arguments(ARG "TORCH" "" "SOURCES;LIBRARIES" ${ARGN})
  add_library(salf_${name} STATIC ${ARG_SOURCES})
  add_library(salf::${name} ALIAS salf_${name})
  target_include_directories(salf_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
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
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 10)
  endif()
endfunction()

# salf_test(NAME SOURCES a_test.cpp … [LIBRARIES …] [LABELS unit|model|e2e] [THREADS n] [EACH] [GPU] [DATA])
# -> salf_NAME_test, registered with CTest under one label (unit by default): one entry for each suite, named
# NAME.Suite, because loading LibTorch takes longer than most cases. EACH: one for each case, for long ones.
# An entry has THREADS threads (1) and CTest reserves as many cores for it, so that `ctest -j` never runs more
# threads than there are cores. GPU: cases whose name ends in /gpu get that label instead.
# Tests may include "support/…". DATA: SALF_TEST_DATA is tests/golden; targets without it have no path of this
# checkout on their command lines, so that the compiler's cache serves other checkouts.
# The time limit is against tests that hang: no result may depend on the machine's speed.
function(salf_test name)
  cmake_parse_arguments(ARG "EACH;GPU;DATA" "LABELS;THREADS" "SOURCES;LIBRARIES" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "salf_test(${name}): unknown arguments ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  if(NOT ARG_THREADS)
    set(ARG_THREADS 1)
  endif()

  set(target salf_${name}_test)
  add_executable(${target} ${ARG_SOURCES})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${target} PRIVATE ${ARG_LIBRARIES} GTest::gmock GTest::gtest_main salf_warnings)
  set_target_properties(${target} PROPERTIES SALF_SEES_TORCH TRUE)
  if(ARG_DATA)
    target_compile_definitions(${target} PRIVATE SALF_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/golden")
  endif()
  salf_unity(${target})

  if(ARG_EACH)
    gtest_discover_tests(${target} DISCOVERY_TIMEOUT 600 PROPERTIES LABELS ${ARG_LABELS} TIMEOUT 1500
      PROCESSORS ${ARG_THREADS} ENVIRONMENT "OMP_NUM_THREADS=${ARG_THREADS};OMP_WAIT_POLICY=passive")
  elseif(ARG_GPU)
    salf_list_suites(${target} ${name} *-*/gpu ${ARG_LABELS} ${ARG_THREADS})
    salf_list_suites(${target} ${name}.gpu */gpu gpu ${ARG_THREADS})
  else()
    salf_list_suites(${target} ${name} * ${ARG_LABELS} ${ARG_THREADS})
  endif()
endfunction()

# One CTest entry for each suite of a test program that has cases of the filter.
function(salf_list_suites target name filter label threads)
  set(file ${CMAKE_CURRENT_BINARY_DIR}/${name}_suites.cmake)
  if(NOT EXISTS ${file})
    file(WRITE ${file} "add_test(${target}_NOT_BUILT ${target}_NOT_BUILT)\n")
  endif()
  add_custom_command(TARGET ${target} POST_BUILD VERBATIM
    COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:${target}> -DNAME=${name} -DFILTER=${filter} -DLABEL=${label}
      -DTHREADS=${threads} -DOUTPUT=${file} -P ${PROJECT_SOURCE_DIR}/cmake/ListSuites.cmake)
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${file})
endfunction()
