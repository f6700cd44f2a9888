# salf_jinja: llama.cpp's Jinja engine, from the sources that `tools/setup engine` fetches. They are compiled here, so that
# they see the sanitizers of each preset. Sets SALF_JINJA_ROOT (the folder with common/jinja and models/templates).
if(NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
  set(_cache "$ENV{XDG_CACHE_HOME}")
else()
  set(_cache "$ENV{HOME}/.cache")
endif()
set(SALF_JINJA_ROOT "${_cache}/salf/llama.cpp-jinja-0.3.36")
if(NOT EXISTS "${SALF_JINJA_ROOT}/common/jinja/runtime.cpp")
  message(FATAL_ERROR "llama.cpp's Jinja engine was not found in ${SALF_JINJA_ROOT}. tools/setup engine fetches it")
endif()

set(_engine "${CMAKE_BINARY_DIR}/jinja")
file(COPY "${SALF_JINJA_ROOT}/common/" DESTINATION "${_engine}")
# json.cpp takes from ggml.h the assertion alone.
file(CONFIGURE OUTPUT "${_engine}/ggml.h" CONTENT "#include <cassert>\n#define GGML_ASSERT(x) assert(x)\n" @ONLY)

# salf_patch(FILE BEFORE AFTER): where transformers' Jinja differs. Fails if the text is not there.
function(salf_patch name before after)
  file(READ "${_engine}/${name}" text)
  string(REPLACE "${before}" "${after}" changed "${text}")
  if(changed STREQUAL text)
    message(FATAL_ERROR "${name} of llama.cpp's Jinja engine has no \"${before}\"")
  endif()
  file(WRITE "${_engine}/${name}" "${changed}")
endfunction()
# The functions of src/data/chat/python_text.h.
set(_python "std::string salf_python_float(double);
std::string salf_python_repr(const std::string &);
std::string salf_python_strip(const std::string &, bool, bool);
")
salf_patch(jinja/value.cpp "namespace jinja {" "${_python}namespace jinja {")
salf_patch(jinja/value.cpp "oss << val->as_float();" "oss << salf_python_float(val->as_float());")
salf_patch(jinja/value.cpp "if (val_str.find('\\'') != std::string::npos) {" "if (true) {
            return salf_python_repr(val_str);")
salf_patch(jinja/value.h "namespace jinja {" "${_python}namespace jinja {")
salf_patch(jinja/value.h "std::string out = std::to_string(val_flt);" "std::string out = salf_python_float(val_flt);
        return out;")
salf_patch(jinja/value.h "std::isfinite(v) ?" "std::isfinite(v) && std::fabs(v) < 9e18 ?")
salf_patch(jinja/string.cpp "namespace jinja {" "${_python}namespace jinja {")
salf_patch(jinja/string.cpp "size_t start = 0;" "if (!chars) return salf_python_strip(s, left, right);
        size_t start = 0;")

# An expression of the wrong kind is an error in release builds too.
salf_patch(jinja/runtime.h "    assert(dynamic_cast<T *>(ptr.get()) != nullptr);"
  "    if (!dynamic_cast<T *>(ptr.get())) throw std::runtime_error(\"unexpected kind of expression\");")
salf_patch(jinja/runtime.h "    assert(dynamic_cast<T *>(ptr.get()) != nullptr || dynamic_cast<U *>(ptr.get()) != nullptr);"
  "    if (!dynamic_cast<T *>(ptr.get()) && !dynamic_cast<U *>(ptr.get())) {
        throw std::runtime_error(\"unexpected kind of expression\");
    }")
salf_patch(jinja/parser.cpp "assert(start_pos < tokens.size());"
  "if (start_pos >= tokens.size()) throw std::runtime_error(\"the template ends too early\");")
# Texts that double in a loop would fill the memory.
salf_patch(jinja/string.cpp "string & string::append(const string & other) {" "string & string::append(const string & other) {
    if (parts.size() + other.parts.size() > (size_t(1) << 20) ||
        (other.parts.size() > 16 && length() + other.length() > (size_t(1) << 26))) {
        throw std::runtime_error(\"the text is too long\");
    }")
salf_patch(jinja/runtime.cpp "if (repeat <= 0) {" "if (repeat > (int64_t(1) << 20) / int64_t(str.length() + 1)) {
            throw std::runtime_error(\"the text is too long\");
        }
        if (repeat <= 0) {")
# Two maps of functions that are copied at every name.
salf_patch(jinja/runtime.cpp "auto builtins = " "const auto & builtins = ")

set(_sources json.cpp unicode.cpp)
foreach(_part IN ITEMS lexer parser runtime string value)
  list(APPEND _sources jinja/${_part}.cpp)
endforeach()
list(TRANSFORM _sources PREPEND "${_engine}/")
add_library(salf_jinja STATIC ${_sources})
target_include_directories(salf_jinja SYSTEM PUBLIC "${_engine}")
target_link_libraries(salf_jinja PRIVATE nlohmann_json::nlohmann_json PUBLIC salf_sanitizers)
