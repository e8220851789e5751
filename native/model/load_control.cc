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

// How long a choice stands at least: what it is made from does not change in less.
constexpr std::chrono::milliseconds kChoiceStands(2);

std::unique_ptr<core::ModelPlan> MakeTuned(const core::ModelPlan& plan) {
  if (!plan.latency_target || !plan.batching) return nullptr;
  auto tuned = std::make_unique<core::ModelPlan>();
  tuned->max_batch_size = plan.max_batch_size;
  tuned->batching.emplace().preserve_ordering = plan.batching->preserve_ordering;
  return tuned;
}

}  // namespace

LoadControl::LoadControl(const core::ModelPlan& plan, int64_t batch_rows, size_t instances)
    : plan_(plan),
      batch_rows_(batch_rows),
      instances_(instances),
      costs_(batch_rows),
      tuned_(MakeTuned(plan)) {
  choice_.max_rows = batch_rows;
}

std::unique_ptr<LoadControl> LoadControl::Make(const core::ModelPlan& plan, int64_t batch_rows,
                                               size_t instances, const LoadControl* before) {
  const bool is_wanted = plan.queue.max_queue_bytes != 0 || plan.queue.predicts_wait ||
                         plan.queue.classes || plan.latency_target;
  if (!is_wanted) return nullptr;
  std::unique_ptr<LoadControl> made(new LoadControl(plan, batch_rows, instances));
  if (before == nullptr) return made;
  made->costs_ = before->costs_;
  made->arrivals_ = before->arrivals_;
  return made;
}

base::Status LoadControl::Classify(scheduler::PriorityQueue& queue, core::InferRequest& request,
                                   base::Instant now) const {
  if (!plan_.queue.classes) return {};
  ASSIGN_OR_RETURN(request.priority, ClassOf(request));
  scheduler::Age(queue, plan_.queue.classes->ageing, now);
  return {};
}

base::Status LoadControl::Admit(const scheduler::PriorityQueue& queue,
                                const core::InferRequest& request, base::Instant now) const {
  const uint64_t level = queue.LevelOf(request.priority);
  if (plan_.queue.classes &&
      !scheduler::HasRoomFor(level, queue.size(), plan_.queue.classes->max_queue_size)) {
    return QueueIsFull(plan_.queue);
  }
  const scheduler::AdmissionView view{
      .queue = queue, .costs = costs_, .batch_rows = batch_rows_, .instances = instances_};
  return scheduler::Admit(plan_, view, level,
                          {.rows = request.batch_size,
                           .bytes = core::InputBytes(request),
                           .expires = scheduler::ExpiresAt(queue.PolicyOf(level), request, now),
                           .deadline = request.deadline},
                          now);
}

void LoadControl::Learn(int64_t rows, const ExecutionTimes& times) {
  costs_.Add(rows, times.output_end - times.compute_start);
  if (tuned_) Choose(times.output_end);
}

void LoadControl::CountArrival(int64_t rows, base::Instant now) {
  if (!tuned_) return;
  arrivals_.Add(rows, now);
  Choose(now);
}

void LoadControl::Choose(base::Instant now) {
  if (now - chosen_ < kChoiceStands) return;
  chosen_ = now;
  core::BatchingPlan& batching = *tuned_->batching;
  scheduler::LatencyLimits limits{.target = plan_.latency_target->target,
                                  .max_wait = plan_.batching->max_queue_delay,
                                  .max_rows = batch_rows_,
                                  .instances = instances_};
  if (plan_.latency_target->has_preferred_sizes) {
    limits.preferred = plan_.batching->preferred_batch_sizes;
  }
  choice_ = scheduler::ChooseBatch(costs_, arrivals_.At(now), limits);
  tuned_->max_batch_size = choice_.max_rows;
  batching.max_queue_delay = choice_.wait;
  batching.enough_rows = choice_.wanted_rows;
  batching.run_time = costs_.AtMost(choice_.wanted_rows).value_or(base::Nanoseconds(0));
}

void LoadControl::View(base::Instant now, LoadView& view) const {
  view.costs = costs_.Points();
  if (!tuned_) return;
  view.target = plan_.latency_target->target;
  view.rows_per_second = arrivals_.At(now);
  view.max_rows = choice_.max_rows;
  view.wanted_rows = {choice_.wanted_rows};
  view.wait = choice_.wait;
  view.reason = scheduler::Explain(choice_.reason);
}

}  // namespace serving::model
