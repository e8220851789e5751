# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0

# nereid_gtest: GoogleTest and its main(). The system's library serves a plain build; under a sanitizer the sources
# are compiled with it, since TSan misreads synchronisation that it has not instrumented.
add_library(nereid_gtest INTERFACE)
set(nereid_gtest_source /usr/src/googletest CACHE PATH "GoogleTest's sources, used under a sanitizer")

if(NOT NEREID_SANITIZE STREQUAL "off" AND EXISTS "${nereid_gtest_source}/CMakeLists.txt")
  set(INSTALL_GTEST OFF CACHE BOOL "" FORCE)
  set(BUILD_GMOCK OFF CACHE BOOL "" FORCE)
  add_subdirectory("${nereid_gtest_source}" googletest EXCLUDE_FROM_ALL)
  foreach(target gtest gtest_main)
    target_link_libraries(${target} PUBLIC nereid_sanitize_flags)
    target_compile_options(${target} PRIVATE -w)
  endforeach()
  target_link_libraries(nereid_gtest INTERFACE gtest_main gtest)
else()
  find_package(GTest REQUIRED)
  target_link_libraries(nereid_gtest INTERFACE GTest::gtest_main GTest::gtest)
endif()
