// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/clock.h"

namespace serving::metrics {

struct Duration {
  uint64_t count = 0;
  uint64_t ns = 0;

  void Add(base::Nanoseconds time, uint64_t times = 1) {
    count += times;
    ns += static_cast<uint64_t>(time.count() < 0 ? 0 : time.count()) * times;
  }
};

// Why a request ended without success, in Triton's words.
enum class FailureReason : uint8_t { kRejected, kCanceled, kBackend, kOther };

struct BatchStatistics {
  Duration compute_input;
  Duration compute_infer;
  Duration compute_output;
};

// Counters of one model version. The model's lock guards it; a copy taken under that lock is
// consistent: success + failure + pending = received.
struct ModelStatistics {
  uint64_t received = 0;
  uint64_t pending = 0;            // queued or executing
  uint64_t queued = 0;             // queued only: Triton's nv_inference_pending_request_count
  uint64_t last_inference_ms = 0;  // wall clock, since the epoch
  uint64_t inference_count = 0;    // sum of rows
  uint64_t execution_count = 0;
  Duration success;
  Duration fail;
  Duration queue;
  Duration compute_input;
  Duration compute_infer;
  Duration compute_output;
  std::map<int64_t, BatchStatistics> batches;  // by rows of the execution
  uint64_t failures[4] = {};                   // by FailureReason
};

}  // namespace serving::metrics
