// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "backend/onnxruntime/library.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

namespace serving::backend::ort {

// The library that tests run with: $NEREID_ONNXRUNTIME, else what `nereid setup onnxruntime` has
// put into the cache. Empty when there is none.
inline std::string LibraryForTest() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  if (const std::string given = variable("NEREID_ONNXRUNTIME"); !given.empty()) return given;
  std::filesystem::path cache = variable("XDG_CACHE_HOME");
  if (cache.empty()) cache = std::filesystem::path(variable("HOME")) / ".cache";
  std::error_code ignored;
  for (const auto& version :
       std::filesystem::directory_iterator(cache / "nereid" / "onnxruntime", ignored)) {
    const std::filesystem::path library = version.path() / "libonnxruntime.so.1";
    if (std::filesystem::exists(library)) return library.string();
  }
  return {};
}

// Opens and closes the library once. Its first environment leaks some bytes of the vendor's for
// good; every later leak is ours and is reported.
inline void OpenWithoutLeakReport() {
  [[maybe_unused]] static const bool once = [] {
#ifdef __SANITIZE_ADDRESS__
    __lsan_disable();
    const bool is_open = Library::Open(LibraryForTest()).ok();
    __lsan_enable();
    return is_open;
#else
    return true;
#endif
  }();
}

}  // namespace serving::backend::ort

// Skips the test that has no library to run with.
#define SKIP_WITHOUT_ONNX_RUNTIME()                                                             \
  if (::serving::backend::ort::LibraryForTest().empty())                                        \
  GTEST_SKIP() << "ONNX Runtime was not found: set NEREID_ONNXRUNTIME to libonnxruntime.so.1, " \
                  "or run `nereid setup onnxruntime`"
