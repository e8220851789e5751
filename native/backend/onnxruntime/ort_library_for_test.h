// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

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

}  // namespace serving::backend::ort

// Skips the test that has no library to run with.
#define SKIP_WITHOUT_ONNX_RUNTIME()                                                             \
  if (::serving::backend::ort::LibraryForTest().empty())                                        \
  GTEST_SKIP() << "ONNX Runtime was not found: set NEREID_ONNXRUNTIME to libonnxruntime.so.1, " \
                  "or run `nereid setup onnxruntime`"
