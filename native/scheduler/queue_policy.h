// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <algorithm>
#include <optional>

#include "base/clock.h"
#include "core/infer_request.h"
#include "core/model_plan.h"
#include "scheduler/priority_queue.h"

namespace serving::scheduler {

// Why a request left the queue without having run.
enum class DropReason : uint8_t { kCancelled, kDeadline, kTimeout };

// How long a request may wait by the policy of its level; nothing = as long as it takes. A request
// may only shorten the time.
std::optional<base::Nanoseconds> QueueTimeout(const core::QueuePolicy& policy, uint64_t timeout_us);

// The same, and nothing where it would be served after the others instead of refused.
std::optional<base::Nanoseconds> RefusedAfter(const core::QueuePolicy& policy, uint64_t timeout_us);

// When a request that comes now is out of time: by its policy or its deadline.
inline base::Instant ExpiresAt(const core::QueuePolicy& policy, const core::InferRequest& request,
                               base::Instant now) {
  if (policy.default_timeout.count() == 0) return request.deadline;
  return std::min(now + *QueueTimeout(policy, request.timeout_us), request.deadline);
}

// Takes the cancelled and the expired out and puts the expired of a policy that delays them behind
// the others, from `place` on as far as `rows_looked_at` living rows reach: what lies behind them
// costs nothing now, however long the queue is, and is met later. `drop(QueuedRequest, DropReason)`
// gets what was taken out; it may not touch the queue.
template <typename Drop>
void ApplyPolicies(PriorityQueue& queue, Place place, base::Instant now, int64_t rows_looked_at,
                   Drop&& drop) {
  int64_t live_rows = 0;
  while (place != kNoPlace && live_rows < rows_looked_at) {
    const QueuedRequest& queued = queue[place];
    const bool is_cancelled = queued.request->sink->is_cancelled();
    if (!is_cancelled && queued.expires > now) {
      live_rows += queued.rows;
      place = queue.After(place);
      continue;
    }
    const bool is_late = queued.request->deadline <= now;
    if (!is_cancelled && !is_late && queue.MayDelay(place)) {
      place = queue.Delay(place, queued.request->deadline);
      continue;
    }
    const Place dropped = std::exchange(place, queue.After(place));
    drop(queue.Remove(dropped), is_cancelled ? DropReason::kCancelled
                                : is_late    ? DropReason::kDeadline
                                             : DropReason::kTimeout);
  }
}

}  // namespace serving::scheduler
