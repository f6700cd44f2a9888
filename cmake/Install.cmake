# `cmake --install BUILD --prefix X` gives a tree that runs from anywhere:
#   bin/salf                      finds its LibTorch by a path relative to itself
#   include/salf, lib/libsalf.so  the library, which finds it in the same way
#   lib/cmake/salf                find_package(salf) provides salf::salf
#   lib/salf/libsalf_cuda.so      where it was built
#   lib/salf/torch/lib, nvidia/   what it loads of LibTorch, in the wheel's layout, so that the wheel's own RPATHs hold
#   share/doc/salf                README, LICENSE, NOTICE, licenses/ of what was copied
#   share/salf/configs            one example per command
# Debian's libraries (spdlog, ICU, PCRE2, OpenSSL) are not copied: they are packages of the target system.
set(_libs "${CMAKE_INSTALL_LIBDIR}/salf")
file(RELATIVE_PATH _libs_from_bin "/${CMAKE_INSTALL_BINDIR}" "/${_libs}/torch/lib")
set_target_properties(salf PROPERTIES INSTALL_RPATH "$ORIGIN/${_libs_from_bin};$ORIGIN/${_libs_from_bin}/../..")
install(TARGETS salf RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
set_target_properties(salf_library PROPERTIES INSTALL_RPATH "$ORIGIN/salf/torch/lib;$ORIGIN/salf")
install(TARGETS salf_library EXPORT salf LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/salf DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
set(_cmake "${CMAKE_INSTALL_LIBDIR}/cmake/salf")
install(EXPORT salf FILE salfConfig.cmake NAMESPACE salf:: DESTINATION ${_cmake})
include(CMakePackageConfigHelpers)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/salfConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/salfConfigVersion.cmake DESTINATION ${_cmake})
if(TARGET salf_cuda)
  install(TARGETS salf_cuda LIBRARY DESTINATION ${_libs})
endif()

install(CODE "
  set(torch_root \"${SALF_TORCH_ROOT}\")
  file(GET_RUNTIME_DEPENDENCIES EXECUTABLES \"$<TARGET_FILE:salf>\" LIBRARIES \"$<TARGET_FILE:salf_library>\"
    RESOLVED_DEPENDENCIES_VAR found UNRESOLVED_DEPENDENCIES_VAR missing)
  if(missing)
    message(FATAL_ERROR \"salf needs libraries that were not found: \${missing}\")
  endif()
  foreach(library IN LISTS found)
    file(REAL_PATH \"\${library}\" library)
    cmake_path(IS_PREFIX torch_root \"\${library}\" is_torch)
    if(is_torch)
      cmake_path(GET library PARENT_PATH folder)
      file(RELATIVE_PATH folder \"\${torch_root}\" \"\${folder}\")
      file(INSTALL \"\${library}\" DESTINATION \"\${CMAKE_INSTALL_PREFIX}/${_libs}/\${folder}\")
    endif()
  endforeach()
")

set(_doc "${CMAKE_INSTALL_DATADIR}/doc/salf")
install(FILES README.md LICENSE NOTICE DESTINATION ${_doc})
install(DIRECTORY configs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/salf/configs)
file(GLOB _wheels LIST_DIRECTORIES true RELATIVE "${SALF_TORCH_ROOT}"
  "${SALF_TORCH_ROOT}/torch-*.dist-info" "${SALF_TORCH_ROOT}/nvidia_*.dist-info")
foreach(_wheel IN LISTS _wheels)
  string(REGEX REPLACE "-.*" "" _package "${_wheel}")
  install(DIRECTORY "${SALF_TORCH_ROOT}/${_wheel}/licenses/" DESTINATION ${_doc}/licenses/${_package})
endforeach()
