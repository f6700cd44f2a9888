# salf_embed(MODULE NAME FILE): the text of FILE becomes `const char* const NAME` of namespace salf::MODULE, so that the
# program needs no data file beside it. Declare it in a header of src/MODULE.
function(salf_embed module name file)
  file(READ "${file}" text)
  if(text MATCHES "\\)salf\"")
    message(FATAL_ERROR "${file} cannot be embedded: it holds the mark of the literal's end")
  endif()
  set(source "${CMAKE_CURRENT_BINARY_DIR}/embedded_${name}.cpp")
  file(CONFIGURE OUTPUT "${source}" @ONLY CONTENT
    "namespace salf::${module} {\nextern const char* const ${name};\nconst char* const ${name} = R\"salf(@text@)salf\";\n}  // namespace salf::${module}\n")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
  target_sources(salf_${module} PRIVATE "${source}")
endfunction()
