# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0

# nereid_find_package_dir(<variable> <npm package> <file in it>): the package's folder, looked for in node_modules
# here and in every folder above, where npm hoists it when Nereid itself is a dependency.
function(nereid_find_package_dir variable package file)
  if(DEFINED ${variable} AND NOT "${${variable}}" STREQUAL "")
    return()
  endif()
  set(folder "${PROJECT_SOURCE_DIR}")
  while(TRUE)
    if(EXISTS "${folder}/node_modules/${package}/${file}")
      set(${variable} "${folder}/node_modules/${package}" CACHE PATH "npm package ${package}")
      return()
    endif()
    get_filename_component(parent "${folder}" DIRECTORY)
    if(parent STREQUAL folder)
      message(FATAL_ERROR "The npm package ${package} was not found: run npm ci first, or give -D${variable}=FOLDER.")
    endif()
    set(folder "${parent}")
  endwhile()
endfunction()

# nereid_simdjson: the single-file source from the npm package, compiled once; rooms name it in DEPS as `simdjson`.
function(nereid_need_simdjson)
  if(TARGET nereid_simdjson)
    return()
  endif()
  nereid_find_package_dir(NEREID_SIMDJSON_DIR @nozbe/simdjson src/simdjson.cpp)
  add_library(nereid_simdjson STATIC "${NEREID_SIMDJSON_DIR}/src/simdjson.cpp")
  target_compile_features(nereid_simdjson PUBLIC cxx_std_20)
  target_compile_options(nereid_simdjson PRIVATE -w -fvisibility=hidden)
  target_compile_definitions(nereid_simdjson PUBLIC SIMDJSON_EXCEPTIONS=0)
  set_target_properties(nereid_simdjson PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_include_directories(nereid_simdjson SYSTEM INTERFACE "${NEREID_SIMDJSON_DIR}/src")
  target_link_libraries(nereid_simdjson PUBLIC nereid_sanitize_flags)
endfunction()

# nereid_node_api: headers only; nothing is taken from the Node that runs the build.
function(nereid_need_node_api)
  if(TARGET nereid_node_api)
    return()
  endif()
  nereid_find_package_dir(NEREID_NODE_API_HEADERS_DIR node-api-headers include/node_api.h)
  nereid_find_package_dir(NEREID_NODE_ADDON_API_DIR node-addon-api napi.h)
  add_library(nereid_node_api INTERFACE)
  target_include_directories(nereid_node_api SYSTEM INTERFACE "${NEREID_NODE_API_HEADERS_DIR}/include"
                                                              "${NEREID_NODE_ADDON_API_DIR}")
  target_compile_definitions(
    nereid_node_api INTERFACE NAPI_VERSION=9 NAPI_DISABLE_CPP_EXCEPTIONS NODE_ADDON_API_DISABLE_DEPRECATED
                              BUILDING_NODE_EXTENSION)
endfunction()
