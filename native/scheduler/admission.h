// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "core/model_plan.h"
#include "scheduler/cost_curve.h"
#include "scheduler/priority_queue.h"

namespace serving::scheduler {

// Where a request comes to.
struct AdmissionView {
  const PriorityQueue& queue;
  const CostCurve& costs;
  int64_t batch_rows = 1;  // of the largest batch
  size_t instances = 1;    // that run at once
};

// A request that comes.
struct Arrival {
  int64_t rows = 1;
  uint64_t bytes = 0;                     // of its inputs
  base::Instant expires = base::kNever;   // in the queue, by its policy or its deadline
  base::Instant deadline = base::kNever;  // of its client
};

// Rows that are served before one that comes to `level` now; those of several levels are taken to
// be of average size.
int64_t RowsAhead(const PriorityQueue& queue, uint64_t level);

// The least time until a request that comes to `level` now is taken out of the queue: as many full
// batches as are before it, shared by the instances. 0 while less than a batch is before it or too
// little is measured to say.
base::Nanoseconds PredictedWait(const AdmissionView& view, uint64_t level);

// Ok, or why a request of so many bytes may not wait behind those that do: `waiting` bytes of them,
// which are over `plan.max_queue_bytes` with it. Where nobody waits, one of any size may. Pure.
base::Status AdmitBytes(const core::ModelPlan& plan, bool is_empty, uint64_t waiting,
                        uint64_t bytes);

// Ok, or why the request may not wait: the bytes in the queue are over `plan.max_queue_bytes` (an
// empty queue takes one of any size), or with `plan.predicts_wait` its time will be over before
// its answer can be there. Pure.
base::Status Admit(const core::ModelPlan& plan, const AdmissionView& view, uint64_t level,
                   const Arrival& arriving, base::Instant now);

}  // namespace serving::scheduler
