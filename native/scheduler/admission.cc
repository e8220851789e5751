// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/admission.h"

#include <algorithm>

namespace serving::scheduler {
namespace {

using base::Nanoseconds;
using std::chrono::duration_cast;

// Executions before a prediction counts: the first ones are cold.
constexpr uint64_t kKnown = 8;

std::string InMilliseconds(Nanoseconds time) {
  const auto tenths = duration_cast<std::chrono::microseconds>(time).count() / 100;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " ms";
}

base::Status TooManyBytes(const core::ModelPlan& plan, uint64_t waiting, uint64_t more) {
  return {plan.queue.full_status,
          "Exceeds maximum queue bytes: inputs of " + std::to_string(waiting) +
              " bytes wait for model '" + plan.name + "', this request has " +
              std::to_string(more) + " and " + std::to_string(plan.queue.max_queue_bytes) +
              " may wait; send it again later, or raise 'max_queue_bytes' in the model's "
              "parameters or --max-queue-bytes"};
}

base::Status TooLate(const core::ModelPlan& plan, Nanoseconds needed, Nanoseconds left) {
  return {plan.queue.full_status,
          "Request would be too late: model '" + plan.name + "' can serve it in " +
              InMilliseconds(needed) + " at the soonest and it has " + InMilliseconds(left) +
              "; send it again later, give it more time, or set 'admission' in the model's "
              "parameters to 'off'"};
}

}  // namespace

int64_t RowsAhead(const PriorityQueue& queue, uint64_t level) {
  const size_t ahead = queue.CountUpTo(level);
  if (ahead == queue.size()) return queue.rows();
  return static_cast<int64_t>(static_cast<double>(queue.rows()) * static_cast<double>(ahead) /
                              static_cast<double>(queue.size()));
}

Nanoseconds PredictedWait(const AdmissionView& view, uint64_t level) {
  if (view.costs.executions() < kKnown) return Nanoseconds(0);
  const int64_t batches = RowsAhead(view.queue, level) / std::max<int64_t>(view.batch_rows, 1);
  if (batches == 0) return Nanoseconds(0);
  const double each = static_cast<double>(view.costs.AtLeast(view.batch_rows)->count());
  return Nanoseconds(
      static_cast<int64_t>(each * static_cast<double>(batches) /
                           static_cast<double>(std::max<size_t>(view.instances, 1))));
}

base::Status AdmitBytes(const core::ModelPlan& plan, bool is_empty, uint64_t waiting,
                        uint64_t bytes) {
  const uint64_t limit = plan.queue.max_queue_bytes;
  if (limit == 0 || is_empty || (waiting <= limit && bytes <= limit - waiting)) return {};
  return TooManyBytes(plan, waiting, bytes);
}

base::Status Admit(const core::ModelPlan& plan, const AdmissionView& view, uint64_t level,
                   const Arrival& arriving, base::Instant now) {
  RETURN_IF_ERROR(AdmitBytes(plan, view.queue.empty(), view.queue.bytes(), arriving.bytes));
  const bool is_delayed = view.queue.PolicyOf(level).delays_expired;
  const base::Instant deadline = arriving.deadline;
  const base::Instant expires = is_delayed ? deadline : arriving.expires;
  if (!plan.queue.predicts_wait || expires == base::kNever) return {};
  const Nanoseconds wait = PredictedWait(view, level);
  // Nobody is refused for what an idle model was once measured to take: only executions correct it.
  if (wait.count() == 0) return {};
  if (now + wait > expires) return TooLate(plan, wait, expires - now);
  const Nanoseconds needed = wait + *view.costs.AtLeast(arriving.rows);
  if (deadline != base::kNever && now + needed > deadline) {
    return TooLate(plan, needed, deadline - now);
  }
  return {};
}

}  // namespace serving::scheduler
