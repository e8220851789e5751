// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/sequence_counters.h"

#include <algorithm>

namespace serving::model {
namespace {

void Add(const metrics::Duration& one, metrics::Duration& sum) {
  sum.count += one.count;
  sum.ns += one.ns;
}

}  // namespace

SequenceCounters::SequenceCounters(const metrics::MetricsOptions& options)
    : has_histograms_(options.extended),
      summaries_(options.summary_latencies
                     ? std::make_unique<metrics::StageSummaries>(options.summary_quantiles)
                     : nullptr) {}

void SequenceCounters::Fail(base::Nanoseconds time, metrics::FailureReason reason) {
  ++statistics_.failures[static_cast<size_t>(reason)];
  statistics_.fail.Add(time);
}

void SequenceCounters::CountAnswer(const core::InferResponse& response,
                                   metrics::FailureReason reason) {
  using metrics::Stage;
  const core::StageTimes& times = response.times;
  --statistics_.pending;
  if (!response.status.ok()) return Fail(times.output_end - times.queued, reason);
  const auto add = [&](Stage stage, base::Nanoseconds time, metrics::Duration& sum) {
    sum.Add(time);
    if (has_histograms_) statistics_.histograms[static_cast<size_t>(stage)].Add(time, 1);
    if (summaries_) summaries_->Add(stage, time, times.output_end, 1);
  };
  add(Stage::kRequest, times.output_end - times.received, statistics_.success);
  add(Stage::kQueue, times.compute_start - times.queued, statistics_.queue);
  add(Stage::kComputeInput, times.input_end - times.compute_start, statistics_.compute_input);
  add(Stage::kComputeInfer, times.infer_end - times.input_end, statistics_.compute_infer);
  add(Stage::kComputeOutput, times.output_end - times.infer_end, statistics_.compute_output);
  ++statistics_.inference_count;
  statistics_.last_inference_ms = base::WallClockMs();
}

metrics::ModelStatistics SequenceCounters::Snapshot(base::Instant now) const {
  metrics::ModelStatistics copy = statistics_;
  if (summaries_) copy.summaries = summaries_->Estimate(now);
  return copy;
}

void SequenceCounters::AddBatches(const metrics::ModelStatistics& instance,
                                  metrics::ModelStatistics& sum) {
  sum.execution_count += instance.execution_count;
  for (const auto& [rows, batch] : instance.batches) {
    metrics::BatchStatistics& into = sum.batches[rows];
    Add(batch.compute_input, into.compute_input);
    Add(batch.compute_infer, into.compute_infer);
    Add(batch.compute_output, into.compute_output);
  }
  sum.queue_state.rows += instance.queue_state.rows;
  sum.queue_state.bytes += instance.queue_state.bytes;
  sum.queue_state.oldest_wait =
      std::max(sum.queue_state.oldest_wait, instance.queue_state.oldest_wait);
  sum.queue_state.predicted_wait_seconds =
      std::max(sum.queue_state.predicted_wait_seconds, instance.queue_state.predicted_wait_seconds);
}

}  // namespace serving::model
