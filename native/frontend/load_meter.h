// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "base/clock.h"
#include "engine/engine.h"
#include "frontend/load_report.h"
#include "net/exchange.h"

namespace serving::frontend {

// Reports are at least this long apart; in between the last one is sent again.
inline constexpr base::Nanoseconds kLoadInterval = std::chrono::milliseconds(100);

// Counters of one moment, from which rates are made. They never fall but where a model goes.
struct LoadSample {
  struct ModelLoad {
    uint64_t busy_ns = 0;   // executions, summed over instances
    double saturation = 0;  // predicted wait / target, now
    int64_t instances = 1;
  };
  base::Instant at{};
  uint64_t cpu_ns = 0;  // of this process
  uint64_t ended = 0;   // requests
  uint64_t failed = 0;
  std::map<std::pair<std::string, int64_t>, ModelLoad> models;  // by name and version
};

// Rates of the last seconds: exponential averages, so that a batch which ends is no peak. Pure.
class LoadAverages {
 public:
  LoadAverages(int cpus, LoadSample start) : cpus_(cpus), last_(std::move(start)) {}

  // Fills the rates, the application's utilization and the saturation.
  void Advance(LoadSample sample, LoadReport& report);

 private:
  const int cpus_;
  LoadSample last_;
  double cpu_ = 0;
  double rps_ = 0;
  double eps_ = 0;
  std::map<std::pair<std::string, int64_t>, double> busy_;
};

// Reads the load of the whole server. Any thread.
class LoadMeter {
 public:
  // `requests`: open now; outlives the meter.
  LoadMeter(engine::Engine& engine, const std::atomic<size_t>& requests);

  // Reads the models' counters when the last report is kLoadInterval old.
  LoadReport Read(base::Instant now);

 private:
  engine::Engine& engine_;
  const std::atomic<size_t>& requests_;
  std::mutex mutex_;
  base::Instant renew_at_{};  // guarded by mutex_
  LoadAverages averages_;     // guarded by mutex_
  LoadReport report_;         // guarded by mutex_
};

// What one I/O thread puts into its answers. A form is written when it is first asked for after
// kLoadInterval.
class LoadHeaders {
 public:
  // `unasked`: form of answers to requests without the header that asks, kNone = no report.
  LoadHeaders(LoadMeter& meter, LoadForm unasked) : meter_(meter), unasked_(unasked) {}

  LoadForm FormFor(const net::RequestHead& head) const;
  // Valid until the next call. `form` is not kNone.
  net::Header Header(LoadForm form);

 private:
  LoadMeter& meter_;
  const LoadForm unasked_;
  base::Instant renew_at_{};
  LoadReport report_;
  std::array<std::string, kLoadForms> texts_;  // by form; empty = not written yet
};

}  // namespace serving::frontend
