# torch::cpu: LibTorch from an unpacked wheel, without find_package(Torch), which wants a CUDA toolkit
# for the wheel that is fetched. Sets SALF_TORCH (the folder with lib/ and include/) and SALF_TORCH_ROOT (what LibTorch
# and the libraries that it loads lie in: of a wheel the folder that holds torch/ and nvidia/, else SALF_TORCH).
include(TorchRoot)
salf_find_torch(SALF_TORCH)
if(NOT SALF_TORCH)
  message(FATAL_ERROR "LibTorch was not found. Run tools/test or tools/quickstart, which fetch it, or name it by "
    "-DCMAKE_PREFIX_PATH=: a site-packages folder with torch, a conda environment, or an unpacked libtorch")
endif()
set(SALF_TORCH_ROOT "${SALF_TORCH}")
cmake_path(GET SALF_TORCH FILENAME _folder)
cmake_path(GET SALF_TORCH PARENT_PATH _parent)
if(_folder STREQUAL "torch")
  set(SALF_TORCH_ROOT "${_parent}")
endif()

# torch/headeronly/ from 2.9 on, torch/csrc/api/ before.
set(_headers "${SALF_TORCH}/include/torch")
file(GLOB _version_header "${_headers}/headeronly/version.h" "${_headers}/csrc/api/include/torch/version.h")
set(SALF_TORCH_FOUND_VERSION "")
foreach(_header IN LISTS _version_header)
  file(STRINGS "${_header}" _lines REGEX "define TORCH_VERSION_(MAJOR|MINOR) ")
  if(_lines MATCHES "MAJOR ([0-9]+).*MINOR ([0-9]+)")
    set(SALF_TORCH_FOUND_VERSION "${CMAKE_MATCH_1}.${CMAKE_MATCH_2}")
  endif()
endforeach()
message(STATUS "LibTorch ${SALF_TORCH_FOUND_VERSION}: ${SALF_TORCH}")
if(SALF_TORCH_FOUND_VERSION VERSION_LESS 2.7)
  message(FATAL_ERROR "LibTorch 2.7 or later is needed (${SALF_TORCH_VERSION} is what is tested); "
    "\"${SALF_TORCH_FOUND_VERSION}\" was found in ${SALF_TORCH}. Name another one by -DCMAKE_PREFIX_PATH=…")
endif()

foreach(_lib c10 torch_cpu)
  add_library(torch::${_lib} SHARED IMPORTED GLOBAL)
  set_target_properties(torch::${_lib} PROPERTIES
    IMPORTED_LOCATION "${SALF_TORCH}/lib/lib${_lib}.so")
endforeach()
add_library(salf_torch INTERFACE)
add_library(torch::cpu ALIAS salf_torch)
target_include_directories(salf_torch SYSTEM INTERFACE
  "${SALF_TORCH}/include" "${SALF_TORCH}/include/torch/csrc/api/include")
target_link_libraries(salf_torch INTERFACE torch::torch_cpu torch::c10)
if(SALF_TORCH_FOUND_VERSION VERSION_GREATER_EQUAL 2.13)
  target_compile_features(salf_torch INTERFACE cxx_std_20)  # its headers refuse C++17
endif()

# At run time libtorch_cpu.so finds CUDA's runtime by its own RPATH; the linker has to be told.
file(GLOB _nvidia_libs "${SALF_TORCH_ROOT}/nvidia/*/lib")
foreach(_folder IN LISTS _nvidia_libs ITEMS "${SALF_TORCH}/lib")
  target_link_options(salf_torch INTERFACE "-Wl,-rpath-link,${_folder}")
endforeach()
