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

BatchDecision NextBatch(const RequestQueue& queue, base::Instant now, const core::ModelPlan& plan) {
  if (queue.empty()) return {};
  if (!plan.batching || plan.max_batch_size <= 1) return {.send = 1, .rows = queue[0].rows};

  const core::BatchingPlan& batching = *plan.batching;
  const auto& preferred = batching.preferred_batch_sizes;
  Candidate all;
  Candidate best_preferred;
  bool can_grow = true;
  for (size_t i = 0; i < queue.size(); ++i) {
    if (queue[i].shape_key != queue[0].shape_key ||
        queue[i].rows > plan.max_batch_size - all.rows) {
      can_grow = i == 0;
      if (i == 0) return {.send = 1, .rows = queue[0].rows};
      break;
    }
    all = {i + 1, all.rows + queue[i].rows};
    if (std::ranges::binary_search(preferred, all.rows)) best_preferred = all;
    if (all.rows == plan.max_batch_size) {
      can_grow = false;
      break;
    }
  }
  const base::Instant due = queue[0].enqueued + batching.max_queue_delay;
  if (!can_grow || batching.max_queue_delay.count() == 0 || now >= due) {
    return {.send = all.count, .rows = all.rows};
  }
  if (best_preferred.count != 0) return {.send = best_preferred.count, .rows = best_preferred.rows};
  return {.wait_until = due};
}

}  // namespace serving::scheduler
