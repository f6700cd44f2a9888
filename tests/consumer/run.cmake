# Installs salf into a temporary folder, moves that, builds the program against it, and runs the program.
# cmake -DBUILD=<salf's build> -DSOURCE=<the program> -DWORLD=<salf_write_small_world> -DCOMPILER=… -DGENERATOR=… -P run.cmake
cmake_minimum_required(VERSION 3.25)

function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE code OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT code EQUAL 0)
    file(REMOVE_RECURSE ${work})
    message(FATAL_ERROR "${ARGV}: ${code}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

execute_process(COMMAND mktemp -d OUTPUT_VARIABLE work OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${work}/installed)
file(RENAME ${work}/installed ${work}/moved)
run(${WORLD} ${work}/world)
run(${CMAKE_COMMAND} -S ${SOURCE} -B ${work}/build -G ${GENERATOR}
  -DCMAKE_PREFIX_PATH=${work}/moved -DCMAKE_CXX_COMPILER=${COMPILER})
run(${CMAKE_COMMAND} --build ${work}/build)
run(${CMAKE_COMMAND} -E chdir ${work}/world ${work}/build/consumer)
message("${output}")
if(NOT EXISTS ${work}/world/run/model.pt OR NOT EXISTS ${work}/world/tuned.pt)
  message(SEND_ERROR "the run or the export left no model")
endif()
file(REMOVE_RECURSE ${work})
