// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"
#include "base/thread.h"
#include "core/stage_times.h"

namespace serving::frontend {

// What the access log tells of one request, from its head on.
struct AccessEntry {
  bool is_grpc = false;
  std::string method;
  std::string path;
  std::string remote_address;
  std::string model;  // of infer calls
  std::string id;
  int status = 0;  // HTTP status, or the gRPC code
  bool is_answered = false;
  size_t request_bytes = 0;
  base::Nanoseconds duration{0};
  core::StageTimes times;  // of the last response; unset when nothing was computed
};

// One JSON object and a line break.
void AppendAccessLine(std::string& out, const AccessEntry& entry, int64_t wall_ns);

// The access log: one line for every `every`-th request, appended to a file by a thread of its own,
// so that no network thread waits for a disk. Bounded: lines that do not fit are dropped, and the
// next line that does says how many.
//
// Threads: Sample and Write from any thread.
class AccessLog {
 public:
  static constexpr size_t kMaxBytes = 4 << 20;

  // `path` "-" is standard output. Fails when the file cannot be opened.
  static base::Result<std::unique_ptr<AccessLog>> Open(const std::string& path, uint64_t every);
  // Writes what is left.
  ~AccessLog();

  bool Sample() { return seen_.fetch_add(1, std::memory_order_relaxed) % every_ == 0; }
  void Write(const AccessEntry& entry);

 private:
  AccessLog(int file, bool owns_file, uint64_t every);
  void Run();

  const int file_;
  const bool owns_file_;
  const uint64_t every_;
  std::atomic<uint64_t> seen_{0};
  std::mutex mutex_;
  std::condition_variable has_lines_;
  std::string lines_;      // guarded by mutex_
  uint64_t dropped_ = 0;   // guarded by mutex_
  bool is_ended_ = false;  // guarded by mutex_
  base::Thread writer_;
};

}  // namespace serving::frontend
