// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "metrics/response_counters.h"

namespace serving::metrics {

void ResponseCounters::Count(size_t index, ResponseOutcome outcome, const ResponseTimes& times,
                             base::Nanoseconds since_received) {
  std::lock_guard lock(mutex_);
  if (index == 0 && first_response_ms_) {
    const auto ms = since_received / std::chrono::milliseconds(1);
    first_response_ms_->Add(static_cast<uint64_t>(ms < 0 ? 0 : ms));
  }
  if (index >= kMaxIndexes) return;
  if (by_index_.size() <= index) by_index_.resize(index + 1);
  ResponseStatistics& counted = by_index_[index];
  const base::Nanoseconds whole = times.end - times.start;
  switch (outcome) {
    case ResponseOutcome::kSuccess:
    case ResponseOutcome::kFail:
      counted.compute_infer.Add(times.output_start - times.start);
      counted.compute_output.Add(times.end - times.output_start);
      (outcome == ResponseOutcome::kFail ? counted.fail : counted.success).Add(whole);
      break;
    case ResponseOutcome::kEmpty:
      counted.empty_response.Add(whole);
      break;
    case ResponseOutcome::kCancel:
      counted.cancel.Add(whole);
      break;
  }
}

std::vector<ResponseStatistics> ResponseCounters::Statistics() const {
  std::lock_guard lock(mutex_);
  return by_index_;
}

std::optional<BoundedHistogram> ResponseCounters::FirstResponse() const {
  std::lock_guard lock(mutex_);
  return first_response_ms_;
}

}  // namespace serving::metrics
