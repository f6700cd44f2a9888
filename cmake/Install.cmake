# `cmake --install BUILD --prefix X` gives a tree that runs from anywhere:
#   bin/salf                      finds its LibTorch by a path relative to itself
#   include/salf, lib/libsalf.so  the library, which finds it in the same way
#   lib/cmake/salf                find_package(salf) provides salf::salf
#   lib/salf/libsalf_cuda.so, libsalf_nccl.so   where they were built
#   lib/salf/torch/lib, nvidia/   what it loads of LibTorch, in the wheel's layout, so that the wheel's own RPATHs hold
#   share/doc/salf                README, docs/, LICENSE, NOTICE, licenses/ of what was copied
#   share/salf/configs            one example per command
#   share/man, bash-completion, zsh, fish   manual pages and completions, where Python 3 is there to make them
# In parts: `--component program` is all but LibTorch (lib/salf/torch may then be a link to a wheel's torch/),
# `--component torch` is LibTorch, `--component libraries` the system's libraries that salf needs besides the C and C++
# runtime (spdlog, ICU, PCRE2, OpenSSL, …), for packages that run on other distributions, and `--component cuda` LibTorch's
# CUDA part (3 GB). The last two are copied only where they are named.
file(RELATIVE_PATH _torch_libs "${SALF_TORCH_ROOT}" "${SALF_TORCH}/lib")
set(_libs "${CMAKE_INSTALL_LIBDIR}/salf")
file(RELATIVE_PATH _libs_from_bin "/${CMAKE_INSTALL_BINDIR}" "/${_libs}")
set_target_properties(salf PROPERTIES
  INSTALL_RPATH "$ORIGIN/${_libs_from_bin}/${_torch_libs};$ORIGIN/${_libs_from_bin}")
# DT_RPATH, not DT_RUNPATH: the libraries in lib/salf find one another there too.
target_link_options(salf PRIVATE -Wl,--disable-new-dtags)
target_link_options(salf_library PRIVATE -Wl,--disable-new-dtags)
install(TARGETS salf RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
set_target_properties(salf_library PROPERTIES INSTALL_RPATH "$ORIGIN/salf/${_torch_libs};$ORIGIN/salf")
install(TARGETS salf_library EXPORT salf LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT program)
install(DIRECTORY include/salf DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT program)
set(_cmake "${CMAKE_INSTALL_LIBDIR}/cmake/salf")
install(EXPORT salf FILE salfConfig.cmake NAMESPACE salf:: DESTINATION ${_cmake} COMPONENT program)
include(CMakePackageConfigHelpers)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/salfConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/salfConfigVersion.cmake DESTINATION ${_cmake} COMPONENT program)
foreach(_library IN ITEMS salf_cuda salf_nccl)
  if(TARGET ${_library})
    set_target_properties(${_library} PROPERTIES INSTALL_RPATH "$ORIGIN/${_torch_libs}")
    install(TARGETS ${_library} LIBRARY DESTINATION ${_libs} COMPONENT program)
  endif()
endforeach()

set(_doc "${CMAKE_INSTALL_DATADIR}/doc/salf")
install(FILES README.md CHANGELOG.md LICENSE NOTICE DESTINATION ${_doc} COMPONENT program)
install(FILES NOTICE DESTINATION ${_doc} RENAME copyright COMPONENT program)  # the name that Debian asks for
install(DIRECTORY docs DESTINATION ${_doc} COMPONENT program FILES_MATCHING PATTERN "*.md" PATTERN "*.png"
  PATTERN truth_table EXCLUDE)
install(DIRECTORY configs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/salf/configs COMPONENT program)
find_package(Python3 COMPONENTS Interpreter)
if(Python3_FOUND)
  install(CODE "execute_process(COMMAND \"${Python3_EXECUTABLE}\" \"${PROJECT_SOURCE_DIR}/tools/reference\"
    --salf \"$<TARGET_FILE:salf>\" --share \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}\"
    COMMAND_ERROR_IS_FATAL ANY)" COMPONENT program)
endif()

# Copies libraries of LibTorch's folder to the same places below lib/salf, and the licenses of the wheels that they are from.
set(_copy "
  set(torch_root \"${SALF_TORCH_ROOT}\")
  function(copy_libraries)
    foreach(library IN LISTS ARGN)
      cmake_path(GET library PARENT_PATH folder)
      file(RELATIVE_PATH folder \"\${torch_root}\" \"\${folder}\")
      file(INSTALL \"\${library}\" DESTINATION \"\${CMAKE_INSTALL_PREFIX}/${_libs}/\${folder}\")
    endforeach()
  endfunction()
  function(copy_licenses)
    foreach(wheel IN LISTS ARGN)
      cmake_path(GET wheel FILENAME package)
      string(REGEX REPLACE \"-.*\" \"\" package \"\${package}\")
      file(GLOB texts \"\${wheel}/licenses/*\" \"\${wheel}/[Ll][Ii][Cc][Ee][Nn][Ss][Ee]*.txt\")
      file(INSTALL \${texts} DESTINATION \"\${CMAKE_INSTALL_PREFIX}/${_doc}/licenses/\${package}\")
    endforeach()
  endfunction()
")
install(CODE "${_copy}
  file(GET_RUNTIME_DEPENDENCIES EXECUTABLES \"$<TARGET_FILE:salf>\" LIBRARIES \"$<TARGET_FILE:salf_library>\"
    RESOLVED_DEPENDENCIES_VAR found UNRESOLVED_DEPENDENCIES_VAR missing)
  if(missing)
    message(FATAL_ERROR \"salf needs libraries that were not found: \${missing}\")
  endif()
  set(of_torch)
  foreach(library IN LISTS found)
    file(REAL_PATH \"\${library}\" library)
    cmake_path(IS_PREFIX torch_root \"\${library}\" is_torch)
    if(is_torch)
      list(APPEND of_torch \"\${library}\")
    endif()
  endforeach()
  copy_libraries(\${of_torch})
  file(GLOB wheels LIST_DIRECTORIES true \"\${torch_root}/torch-*.dist-info\" \"\${torch_root}/nvidia_cuda_cupti-*.dist-info\"
    \"\${torch_root}/nvidia_cuda_runtime-*.dist-info\")
  copy_licenses(\${wheels})
" COMPONENT torch)

# Not the C and C++ runtime, which every system has, and not LibTorch's libraries.
install(CODE "${_copy}
  file(GET_RUNTIME_DEPENDENCIES EXECUTABLES \"$<TARGET_FILE:salf>\" LIBRARIES \"$<TARGET_FILE:salf_library>\"
    RESOLVED_DEPENDENCIES_VAR found UNRESOLVED_DEPENDENCIES_VAR missing
    POST_EXCLUDE_REGEXES \"/(ld-linux-x86-64|lib(c|m|dl|pthread|rt|util|stdc\\\\+\\\\+|gcc_s|gomp))[.]so\")
  set(destination \"\${CMAKE_INSTALL_PREFIX}/${_libs}\")
  foreach(library IN LISTS found)
    file(REAL_PATH \"\${library}\" real)
    cmake_path(IS_PREFIX torch_root \"\${real}\" is_torch)
    if(NOT is_torch)
      file(INSTALL \"\${library}\" DESTINATION \"\${destination}\" FOLLOW_SYMLINK_CHAIN)
      string(REGEX REPLACE \"^/usr/\" \"/\" unmerged \"\${real}\")  # as packages from before the merge of /usr have it
      execute_process(COMMAND dpkg-query --search \"\${real}\" \"\${unmerged}\" OUTPUT_VARIABLE owner ERROR_QUIET)
      string(REGEX REPLACE \":.*\" \"\" owner \"\${owner}\")
      if(NOT owner STREQUAL \"\" AND EXISTS \"/usr/share/doc/\${owner}/copyright\")
        file(INSTALL \"/usr/share/doc/\${owner}/copyright\" DESTINATION
          \"\${CMAKE_INSTALL_PREFIX}/${_doc}/licenses/\${owner}\" FOLLOW_SYMLINK_CHAIN)
      endif()
    endif()
  endforeach()
" COMPONENT libraries EXCLUDE_FROM_ALL)

# What libtorch_cuda.so opens later, cuDNN's parts for one, no tool can list: so the wheels' libraries are copied as they are.
install(CODE "${_copy}
  file(GLOB libraries \"\${torch_root}/torch/lib/libtorch_cuda*.so\" \"\${torch_root}/torch/lib/libc10_cuda.so\"
    \"\${torch_root}/torch/lib/libcaffe2_nvrtc.so\" \"\${torch_root}/torch/lib/libtorch_nvshmem.so\"
    \"\${torch_root}/nvidia/*/lib/*.so*\")
  if(NOT EXISTS \"\${torch_root}/torch/lib/libtorch_cuda.so\")
    message(FATAL_ERROR \"There is no torch/lib/libtorch_cuda.so in \${torch_root}. tools/setup --cuda fetches it; of another \"
      \"layout than a wheel's the CUDA part is not copied: there LD_LIBRARY_PATH has to name its folder\")
  endif()
  copy_libraries(\${libraries})
  file(GLOB wheels LIST_DIRECTORIES true \"\${torch_root}/nvidia_*.dist-info\")
  copy_licenses(\${wheels})
" COMPONENT cuda EXCLUDE_FROM_ALL)
