# salf_ggml: the conversions of ggml's number formats, from the sources that `tools/setup engine` fetches.
set(_ggml "${SALF_JINJA_ROOT}/ggml")
if(NOT EXISTS "${_ggml}/src/ggml-quants.c")
  message(FATAL_ERROR "ggml was not found in ${_ggml}. tools/setup engine fetches it")
endif()
set(_made "${CMAKE_BINARY_DIR}/ggml")
file(CONFIGURE OUTPUT "${_made}/ggml-version.h" CONTENT "#define GGML_VERSION \"\"\n#define GGML_COMMIT \"\"\n" @ONLY)
# What ggml.c calls outside of conversions, which salf never does.
file(CONFIGURE OUTPUT "${_made}/unused.c" @ONLY CONTENT "#include <stdlib.h>
int ggml_backend_buffer_get_usage(void) { abort(); }
void ggml_backend_tensor_memset(void) { abort(); }
void ggml_backend_tensor_set(void) { abort(); }
void ggml_critical_section_start(void) {}
void ggml_critical_section_end(void) {}
")
add_library(salf_ggml STATIC "${_ggml}/src/ggml.c" "${_ggml}/src/ggml-quants.c" "${_made}/unused.c")
target_include_directories(salf_ggml SYSTEM PUBLIC "${_ggml}/include" PRIVATE "${_ggml}/src" "${_made}")
target_compile_options(salf_ggml PRIVATE -w)
target_link_libraries(salf_ggml PUBLIC salf_sanitizers)
