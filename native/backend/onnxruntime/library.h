// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "backend/onnxruntime/ort_api.h"
#include "base/status.h"

namespace serving::backend::ort {

// One opened libonnxruntime and its environment. The code is never unmapped: threads of the library
// may outlive every object we know of.
//
// Threads: all functions from any; the table's functions have their own rules.
// Owns: the environment, released when the last session is gone.
class Library {
 public:
  // Fails with one sentence when the file is missing, is not ONNX Runtime or is too old for
  // kApiVersion.
  static base::Result<std::shared_ptr<const Library>> Open(const std::string& path);

  // What every load answers while there is no library.
  static base::Status NotInstalled();

  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library();

  const Api& api() const { return *api_; }
  const Env* env() const { return env_; }
  // Describes memory of ours, for tensors that wrap it.
  const MemoryInfo* host_memory() const { return host_memory_; }
  // ONNX Runtime's own, for names and string tensors.
  Allocator* allocator() const { return allocator_; }
  const std::string& version() const { return version_; }
  // Allocators can be asked what they hold (ONNX Runtime 1.23).
  bool tells_statistics() const { return tells_statistics_; }

 private:
  Library(const Api* api, std::string version);
  static void WriteLog(void* self, LoggingLevel level, const char* category, const char* log_id,
                       const char* place, const char* text);

  const Api* const api_;
  const std::string version_;
  const bool tells_statistics_;
  Env* env_ = nullptr;
  MemoryInfo* host_memory_ = nullptr;
  Allocator* allocator_ = nullptr;
  std::atomic<int64_t> log_second_{0};
  std::atomic<int64_t> log_lines_{0};
};

}  // namespace serving::backend::ort
