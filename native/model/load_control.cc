// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/load_control.h"

namespace serving::model {

std::unique_ptr<LoadControl> LoadControl::Make(const core::ModelPlan& plan, int64_t batch_rows) {
  const bool is_wanted = plan.queue.max_queue_bytes != 0 || plan.queue.predicts_wait;
  if (!is_wanted) return nullptr;
  return std::unique_ptr<LoadControl>(new LoadControl(plan, batch_rows));
}

base::Status LoadControl::Admit(const scheduler::PriorityQueue& queue, size_t instances,
                                uint64_t level, const scheduler::QueuedRequest& arriving,
                                base::Instant now) const {
  const scheduler::AdmissionView view{
      .queue = queue, .costs = costs_, .batch_rows = batch_rows_, .instances = instances};
  return scheduler::Admit(plan_, view, level, arriving, now);
}

void LoadControl::Learn(int64_t rows, const ExecutionTimes& times) {
  costs_.Add(rows, times.output_end - times.compute_start);
}

}  // namespace serving::model
