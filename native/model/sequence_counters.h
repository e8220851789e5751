// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <memory>

#include "base/clock.h"
#include "core/infer_response.h"
#include "metrics/metrics_options.h"
#include "metrics/model_statistics.h"

namespace serving::model {

// What a model of sequences counts of its requests, from their arrival on; its instances count
// their batches, in which there may be rows without a request.
//
// Not thread-safe: its model's lock guards it.
class SequenceCounters {
 public:
  explicit SequenceCounters(const metrics::MetricsOptions& options);

  void CountArrival() {
    ++statistics_.received;
    ++statistics_.pending;
  }
  // Of a request that has not run, and came at `queued`.
  void CountRefusal(base::Instant queued, metrics::FailureReason reason, base::Instant now) {
    --statistics_.pending;
    Fail(now - queued, reason);
  }
  // Of one that had an instance; `reason` if it failed.
  void CountAnswer(const core::InferResponse& response, metrics::FailureReason reason);

  uint64_t pending() const { return statistics_.pending; }
  // Without what the instances count.
  metrics::ModelStatistics Snapshot(base::Instant now) const;
  // Adds the batches of an instance.
  static void AddBatches(const metrics::ModelStatistics& instance, metrics::ModelStatistics& sum);

 private:
  void Fail(base::Nanoseconds time, metrics::FailureReason reason);

  const bool has_histograms_;
  metrics::ModelStatistics statistics_;
  const std::unique_ptr<metrics::StageSummaries> summaries_;  // null when off
};

}  // namespace serving::model
