# cmake -DPROGRAM=… -DNAME=… -DFILTER=… -DLABEL=… -DTHREADS=… -DOUTPUT=… -P ListSuites.cmake
# Asks a GoogleTest program for its suites and writes a CTest file with one entry for each: NAME.Suite.
# An entry is skipped where each of its cases was, and none failed.
execute_process(COMMAND ${PROGRAM} --gtest_list_tests --gtest_filter=${FILTER}
  OUTPUT_VARIABLE listing COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "\n[A-Za-z_][A-Za-z0-9_/]*\\." suites "\n${listing}")
set(text "")
foreach(suite IN LISTS suites)
  string(REGEX REPLACE "[\n.]" "" suite "${suite}")
  string(APPEND text "add_test([==[${NAME}.${suite}]==] [==[${PROGRAM}]==] [==[--gtest_filter=${suite}.${FILTER}]==])
set_tests_properties([==[${NAME}.${suite}]==] PROPERTIES LABELS ${LABEL} TIMEOUT 1500 PROCESSORS ${THREADS}
  ENVIRONMENT [==[OMP_NUM_THREADS=${THREADS};OMP_WAIT_POLICY=passive]==]
  SKIP_REGULAR_EXPRESSION [==[\\[  PASSED  \\] 0 tests\\.\n(\\[  SKIPPED \\][^\n]*\n)+$]==])
")
endforeach()
file(WRITE ${OUTPUT} "${text}")
