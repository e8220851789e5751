// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/batch_policy.h"

#include <algorithm>

namespace serving::scheduler {
namespace {

struct Candidate {
  size_t count = 0;
  int64_t rows = 0;
};

}  // namespace

BatchDecision NextBatch(const PriorityQueue& queue, base::Instant now,
                        const core::ModelPlan& plan) {
  if (queue.empty()) return {};
  const Place front = queue.First();
  const QueuedRequest& first = queue[front];
  if (!plan.batching || plan.max_batch_size <= 1 || first.rows >= plan.max_batch_size) {
    return {.send = 1, .rows = first.rows};
  }

  const core::BatchingPlan& batching = *plan.batching;
  const auto& preferred = batching.preferred_batch_sizes;
  Candidate all;
  Candidate best_preferred;
  bool can_grow = true;
  base::Instant oldest = first.enqueued;
  base::Instant expires = base::kNever;
  for (Place place = front; place != kNoPlace; place = queue.After(place)) {
    const QueuedRequest& queued = queue[place];
    if (queued.shape_key != first.shape_key || queued.rows > plan.max_batch_size - all.rows) {
      can_grow = false;
      break;
    }
    all = {all.count + 1, all.rows + queued.rows};
    oldest = std::min(oldest, queued.enqueued);
    expires = std::min(expires, queued.expires);
    if (std::ranges::binary_search(preferred, all.rows)) best_preferred = all;
    if (all.rows == plan.max_batch_size) {
      can_grow = false;
      break;
    }
  }
  const base::Instant due = oldest + batching.max_queue_delay;
  if (!can_grow || batching.max_queue_delay.count() == 0 || now >= due) {
    return {.send = all.count, .rows = all.rows};
  }
  if (best_preferred.count != 0) return {.send = best_preferred.count, .rows = best_preferred.rows};
  if (batching.enough_rows != 0 && all.rows >= batching.enough_rows) {
    return {.send = all.count, .rows = all.rows};
  }
  if (batching.run_time.count() != 0 && expires != base::kNever) {
    expires = expires - batching.run_time;
    if (now >= expires) return {.send = all.count, .rows = all.rows};
  }
  return {.wait_until = std::min(due, expires)};
}

}  // namespace serving::scheduler
