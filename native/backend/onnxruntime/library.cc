// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "backend/onnxruntime/library.h"

#include <dlfcn.h>
#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "backend/onnxruntime/error.h"
#include "base/log.h"

namespace serving::backend::ort {
namespace {

constexpr const char* kRemedy = "run 'nereid setup onnxruntime' or give --onnxruntime-library=PATH";
constexpr int64_t kLogLinesPerSecond = 5;

// Reason of the loader without the path it begins with.
std::string LoaderReason(const std::string& path) {
  const char* raw = dlerror();
  std::string reason = raw == nullptr ? "unknown reason" : raw;
  if (reason.starts_with(path + ": ")) reason.erase(0, path.size() + 2);
  return WithoutFolders(reason);
}

// 30 of `1.30.0`; 0 for what is not of that form. Asking a library for a table that it has not
// makes it print a complaint.
int MinorVersion(std::string_view version) {
  int minor = 0;
  if (version.starts_with("1.")) {
    std::from_chars(version.data() + 2, version.data() + version.size(), minor);
  }
  return minor;
}

}  // namespace

// Errors come back as a status too and are logged where they are handled: here they only explain.
// Requests can provoke warnings, so their lines are few whatever clients do.
void Library::WriteLog(void* self, LoggingLevel level, const char*, const char*, const char* place,
                       const char* text) {
  auto& library = *static_cast<Library*>(self);
  if (level == kWarning) {
    const int64_t second = std::chrono::duration_cast<std::chrono::seconds>(
                               std::chrono::steady_clock::now().time_since_epoch())
                               .count();
    if (library.log_second_.exchange(second, std::memory_order_relaxed) != second) {
      library.log_lines_.store(0, std::memory_order_relaxed);
    }
    if (library.log_lines_.fetch_add(1, std::memory_order_relaxed) >= kLogLinesPerSecond) return;
  }
  base::Log(level == kWarning ? base::Severity::kWarning : base::Severity::kVerbose, "onnxruntime",
            0, std::string(text) + " (" + place + ")");
}

Library::Library(const Api* api, std::string version)
    : api_(api),
      version_(std::move(version)),
      tells_statistics_(MinorVersion(version_) >= kStatisticsVersion) {}

base::Status Library::NotInstalled() {
  return base::Unavailable(std::string("onnxruntime: ONNX Runtime is not installed: ") + kRemedy);
}

base::Result<std::shared_ptr<const Library>> Library::Open(const std::string& path) {
  struct stat file;
  if (path.empty() || (stat(path.c_str(), &file) != 0 && errno == ENOENT)) return NotInstalled();
  // The library reports its use to its vendor and keeps a database for it in the user's cache
  // folder, unless this is set before it loads. Whoever wants that sets the variable to 0.
  setenv("ORT_DISABLE_TELEMETRY", "1", 0);
  // RTLD_LOCAL: two builds may live in one process, and none of their symbols may serve anybody
  // else.
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    return base::Unavailable("onnxruntime: the library of ONNX Runtime does not load: " +
                             LoaderReason(path));
  }
  const auto get_base = reinterpret_cast<const ApiBase* (*)()>(dlsym(handle, "OrtGetApiBase"));
  if (get_base == nullptr) {
    return base::Unavailable(
        std::string("onnxruntime: the file given as library of ONNX Runtime is another library: "
                    "it has no function OrtGetApiBase: ") +
        kRemedy);
  }
  const ApiBase* base = get_base();
  const std::string version = base->GetVersionString();
  const Api* api = base->GetApi(kApiVersion);
  if (api == nullptr) {
    return base::Unavailable("onnxruntime: ONNX Runtime " + version + " is too old, expected 1." +
                             std::to_string(kApiVersion) + " or newer: " + kRemedy);
  }
  std::shared_ptr<Library> library(new Library(api, version));
  RETURN_IF_ORT_ERROR(*api, api->CreateEnvWithCustomLogger(&WriteLog, library.get(), kWarning,
                                                           "nereid", &library->env_));
  RETURN_IF_ORT_ERROR(
      *api, api->CreateCpuMemoryInfo(kArenaAllocator, kMemoryTypeDefault, &library->host_memory_));
  RETURN_IF_ORT_ERROR(*api, api->GetAllocatorWithDefaultOptions(&library->allocator_));
  return std::shared_ptr<const Library>(std::move(library));
}

Library::~Library() {
  if (host_memory_ != nullptr) api_->ReleaseMemoryInfo(host_memory_);
  if (env_ != nullptr) api_->ReleaseEnv(env_);
}

}  // namespace serving::backend::ort
