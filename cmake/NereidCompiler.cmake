# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0

# Flags that hold for every room, gathered in one interface target.
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_CXX_FLAGS_RELEASE "-O2")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g")

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 11)
  message(FATAL_ERROR "g++ ${CMAKE_CXX_COMPILER_VERSION} is too old: Nereid needs C++20 (g++ 11 or clang 14).")
endif()
find_package(Threads REQUIRED)

add_library(nereid_flags INTERFACE)
target_compile_features(nereid_flags INTERFACE cxx_std_20)
target_include_directories(nereid_flags INTERFACE "${CMAKE_CURRENT_SOURCE_DIR}/native")
target_compile_options(nereid_flags INTERFACE -Wall -Wextra -Werror -fvisibility=hidden -fvisibility-inlines-hidden
                                              -fno-strict-aliasing)
target_link_libraries(nereid_flags INTERFACE Threads::Threads ${CMAKE_DL_LIBS})

# The same flags for code that is not ours (GoogleTest, simdjson), without our warnings.
add_library(nereid_sanitize_flags INTERFACE)
if(NEREID_SANITIZE STREQUAL "address")
  set(nereid_sanitizers -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(NEREID_SANITIZE STREQUAL "thread")
  set(nereid_sanitizers -fsanitize=thread)
elseif(NOT NEREID_SANITIZE STREQUAL "off")
  message(FATAL_ERROR "NEREID_SANITIZE is '${NEREID_SANITIZE}': expected address, thread or off.")
endif()
if(DEFINED nereid_sanitizers)
  target_compile_options(nereid_sanitize_flags INTERFACE ${nereid_sanitizers} -fno-omit-frame-pointer -g)
  target_link_options(nereid_sanitize_flags INTERFACE ${nereid_sanitizers})
endif()
target_link_libraries(nereid_flags INTERFACE nereid_sanitize_flags)
if(NEREID_FUZZ)
  target_compile_options(nereid_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(DEFINED nereid_sanitizers AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # The instrumentation hides initialisations from g++'s flow analysis; the plain build keeps the warning.
  target_compile_options(nereid_flags INTERFACE -Wno-maybe-uninitialized)
endif()
