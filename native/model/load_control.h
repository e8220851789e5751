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
#include "model/load_view.h"
#include "scheduler/admission.h"
#include "scheduler/cost_curve.h"
#include "scheduler/latency_target.h"
#include "scheduler/priority_queue.h"

namespace serving::model {

// What a model with limits beyond Triton's keeps beside its queue: what it has learnt of its own
// speed, and the policies that use it. Other models have none.
//
// Threads: guarded by the lock of its model. Owns nothing of the model; `plan` outlives it.
class LoadControl {
 public:
  // Null where the plan asks for nothing of it. `batch_rows`: no batch is larger; `instances` may
  // run at once.
  // `before` made for the same model: what it has learnt is kept.
  static std::unique_ptr<LoadControl> Make(const core::ModelPlan& plan, int64_t batch_rows,
                                           size_t instances, const LoadControl* before = nullptr);

  // Comes before everything else for a request that arrives: gives it the level of its class and
  // lets those that wait age. An error for a class that there is not.
  base::Status Classify(scheduler::PriorityQueue& queue, core::InferRequest& request,
                        base::Instant now) const;
  // Ok, or why the request may not wait.
  base::Status Admit(const scheduler::PriorityQueue& queue, const core::InferRequest& request,
                     base::Instant now) const;
  // It has come, and waits or not.
  void CountArrival(int64_t rows, base::Instant now);

  // A batch has run without an error.
  void Learn(int64_t rows, const ExecutionTimes& times);

  // What batches are formed by: max_batch_size and batching of this change under the lock. Null
  // where they follow the configuration.
  const core::ModelPlan* batch_plan() const { return tuned_.get(); }

  // Fills in what is learnt and chosen.
  void View(base::Instant now, LoadView& view) const;

 private:
  LoadControl(const core::ModelPlan& plan, int64_t batch_rows, size_t instances);

  void Choose(base::Instant now);

  const core::ModelPlan& plan_;
  const int64_t batch_rows_;
  const size_t instances_;
  scheduler::CostCurve costs_;
  const std::unique_ptr<core::ModelPlan> tuned_;  // with a latency target
  scheduler::ArrivalRate arrivals_;
  scheduler::BatchChoice choice_;
  base::Instant chosen_{};
};

}  // namespace serving::model
