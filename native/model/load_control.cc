// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/load_control.h"

#include <string>
#include <string_view>

#include "model/refusal.h"
#include "scheduler/ageing.h"
#include "scheduler/queue_policy.h"

namespace serving::model {
namespace {

// A parameter of requests, beside `priority`.
constexpr std::string_view kClassParameter = "priority_class";

base::Result<uint64_t> ClassOf(const core::InferRequest& request) {
  for (const core::Parameter& parameter : request.parameters) {
    if (parameter.name != kClassParameter) continue;
    const auto* name = std::get_if<std::string_view>(&parameter.value);
    const auto level = name == nullptr ? std::nullopt : scheduler::ParseClass(*name);
    if (level) return *level;
    return base::InvalidArgument(
        "parameter 'priority_class': expected 'interactive', 'standard' or 'background', got " +
        (name == nullptr ? std::string("no text") : "'" + std::string(*name) + "'"));
  }
  return request.priority;
}

}  // namespace

std::unique_ptr<LoadControl> LoadControl::Make(const core::ModelPlan& plan, int64_t batch_rows) {
  const bool is_wanted =
      plan.queue.max_queue_bytes != 0 || plan.queue.predicts_wait || plan.queue.classes;
  if (!is_wanted) return nullptr;
  return std::unique_ptr<LoadControl>(new LoadControl(plan, batch_rows));
}

base::Status LoadControl::Classify(scheduler::PriorityQueue& queue, core::InferRequest& request,
                                   base::Instant now) const {
  if (!plan_.queue.classes) return {};
  ASSIGN_OR_RETURN(request.priority, ClassOf(request));
  scheduler::Age(queue, plan_.queue.classes->ageing, now);
  return {};
}

base::Status LoadControl::Admit(const scheduler::PriorityQueue& queue, size_t instances,
                                const core::InferRequest& request, base::Instant now) const {
  const uint64_t level = queue.LevelOf(request.priority);
  if (plan_.queue.classes &&
      !scheduler::HasRoomFor(level, queue.size(), plan_.queue.classes->max_queue_size)) {
    return QueueIsFull(plan_.queue);
  }
  const scheduler::AdmissionView view{
      .queue = queue, .costs = costs_, .batch_rows = batch_rows_, .instances = instances};
  return scheduler::Admit(plan_, view, level,
                          {.rows = request.batch_size,
                           .bytes = core::InputBytes(request),
                           .expires = scheduler::ExpiresAt(queue.PolicyOf(level), request, now),
                           .deadline = request.deadline},
                          now);
}

void LoadControl::Learn(int64_t rows, const ExecutionTimes& times) {
  costs_.Add(rows, times.output_end - times.compute_start);
}

}  // namespace serving::model
