// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "metrics/bounded_histogram.h"
#include "metrics/duration.h"
#include "metrics/instance_state.h"
#include "metrics/latency_histogram.h"
#include "metrics/response_counters.h"
#include "metrics/stage_summaries.h"

namespace serving::metrics {

// Why a request ended without success, in Triton's words.
enum class FailureReason : uint8_t { kRejected, kCanceled, kBackend, kOther };

struct BatchStatistics {
  Duration compute_input;
  Duration compute_infer;
  Duration compute_output;
};

// What waits in a model's queue now, and for how long a request that came now would wait there.
struct QueueState {
  int64_t rows = 0;
  uint64_t bytes = 0;  // of the inputs
  base::Nanoseconds oldest_wait{0};
  double predicted_wait_seconds = 0;  // rows × time per row / instances that may run at once
  base::Nanoseconds wait_target{0};   // of a model whose limits may change; 0 = its plan says it
};

// Of a model whose answers are cached.
struct CacheStatistics {
  Duration hit;                      // lookups that found an answer
  Duration miss;                     // others, with what keeping the answer took
  std::vector<double> hit_summary;   // µs by quantile; empty unless they are on
  std::vector<double> miss_summary;  // the same
};

// Bytes of inputs whose requests were filled up to a common size, and what was added.
struct PaddingStatistics {
  uint64_t input_bytes = 0;
  uint64_t added_bytes = 0;
};

// Bytes of tensors that steps of an ensemble have made and others read, once for each reader; and
// those of them that were copied on the way.
struct HandOverStatistics {
  uint64_t bytes = 0;
  uint64_t copied_bytes = 0;
  uint64_t copied_tensors = 0;
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
  std::map<int64_t, BatchStatistics> batches;        // by rows of the execution
  uint64_t failures[4] = {};                         // by FailureReason
  uint64_t poisonings = 0;                           // of its instances
  uint64_t rebuilds = 0;                             // of poisoned instances, that succeeded
  std::array<LatencyHistogram, kStages> histograms;  // by Stage; empty unless they are on
  std::optional<PaddingStatistics> padding;          // models that pad only
  std::optional<HandOverStatistics> hand_over;       // ensembles only

  // Of a snapshot only.
  std::vector<InstanceState> instances;  // of a model that runs
  uint64_t tensor_bytes = 0;             // that its batches and answers hold
  uint64_t idle_bytes = 0;               // kept for batches to come
  QueueState queue_state;
  std::vector<std::vector<double>> summaries;  // µs by Stage and quantile; empty unless they are on
  std::vector<ResponseStatistics> responses;   // by index; decoupled models only
  std::optional<BoundedHistogram> first_response_ms{};  // decoupled models only
  std::optional<CacheStatistics> cache{};
};

}  // namespace serving::metrics
