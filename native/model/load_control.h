// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "base/status.h"
#include "core/model_plan.h"
#include "model/execution.h"
#include "scheduler/admission.h"
#include "scheduler/cost_curve.h"
#include "scheduler/priority_queue.h"

namespace serving::model {

// What a model with limits beyond Triton's keeps beside its queue: what it has learnt of its own
// speed, and the policies that use it. Other models have none.
//
// Threads: guarded by the lock of its model. Owns nothing of the model; `plan` outlives it.
class LoadControl {
 public:
  // Null where the plan asks for nothing of it. `batch_rows`: no batch is larger.
  static std::unique_ptr<LoadControl> Make(const core::ModelPlan& plan, int64_t batch_rows);

  // Comes before everything else for a request that arrives: gives it the level of its class and
  // lets those that wait age. An error for a class that there is not.
  base::Status Classify(scheduler::PriorityQueue& queue, core::InferRequest& request,
                        base::Instant now) const;
  // Ok, or why the request may not wait. `instances` may run at once.
  base::Status Admit(const scheduler::PriorityQueue& queue, size_t instances,
                     const core::InferRequest& request, base::Instant now) const;

  // A batch has run without an error.
  void Learn(int64_t rows, const ExecutionTimes& times);

 private:
  LoadControl(const core::ModelPlan& plan, int64_t batch_rows)
      : plan_(plan), batch_rows_(batch_rows), costs_(batch_rows) {}

  const core::ModelPlan& plan_;
  const int64_t batch_rows_;
  scheduler::CostCurve costs_;
};

}  // namespace serving::model
