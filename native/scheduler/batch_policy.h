// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "core/model_plan.h"
#include "scheduler/priority_queue.h"

namespace serving::scheduler {

// What an idle instance does next.
struct BatchDecision {
  size_t send = 0;   // run the first `send` requests; 0 = none yet
  int64_t rows = 0;  // sum of their rows
  base::Instant wait_until =
      base::kNever;  // with send 0: look again then, or when something arrives
};

// Decides what an instance should run next. Pure: no clock, no locks, no allocation.
//
//   queue  waiting requests, none of them expired
//   now    same clock as QueuedRequest::enqueued
// Direct scheduling sends one request at a time. Dynamic batching sends the longest run of equal
// shapes whose rows fit into max_batch_size: at once when it cannot grow or may not wait, else as
// soon as a preferred size is reached or its oldest has waited max_queue_delay. A run goes on over
// the levels of priority. It is looked at again when one of it expires. With a latency target it is
// sent too when it has enough_rows, or when the first of it would be late without.
BatchDecision NextBatch(const PriorityQueue& queue, base::Instant now, const core::ModelPlan& plan);

}  // namespace serving::scheduler
