# CPack: a tarball and a Debian package of the installed tree. tools/release makes each with LibTorch and without, by
# `cpack -D CPACK_COMPONENTS_ALL=…`. The system's libraries are inside, so that one package serves Debian 12 and
# Ubuntu 24.04.
set(CPACK_PACKAGE_NAME salf)
set(CPACK_PACKAGE_VENDOR "The salf developers")
set(CPACK_PACKAGE_CONTACT "The salf developers <salf@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "fine-tunes language models within a budget")
set(CPACK_PACKAGE_DESCRIPTION "salf freezes the first blocks of a language model, tunes the rest, and computes the frozen
part once. A plan says before the run what it will cost. The run never goes over its budget.")
set(CPACK_COMPONENTS_ALL program libraries torch)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libc6 (>= 2.36), libstdc++6 (>= 12), libgcc-s1")
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_HOMEPAGE "https://arxiv.org/abs/2406.11753")
set(CPACK_DEBIAN_COMPRESSION_TYPE zstd)
include(CPack)
