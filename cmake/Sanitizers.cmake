# salf_sanitizers: the flags of SALF_SANITIZE. The torch wheel is not instrumented, and UBSan's vptr check
# needs type information that it does not export.
add_library(salf_sanitizers INTERFACE)
if(SALF_SANITIZE)
  target_compile_options(salf_sanitizers INTERFACE
    -fsanitize=${SALF_SANITIZE} -fno-sanitize=vptr -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
  target_link_options(salf_sanitizers INTERFACE -fsanitize=${SALF_SANITIZE})
endif()
if(SALF_FUZZ)
  target_compile_options(salf_sanitizers INTERFACE -fsanitize=fuzzer-no-link)
endif()
