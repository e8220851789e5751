// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "core/model_plan.h"
#include "scheduler/queue_policy.h"

namespace serving::model {

// How long requests may wait in a queue, for those who have not the lock of its model. Where the
// rules may change meanwhile, a reader may see one half of the old and one of the new: either is an
// answer for a request that comes while they change.
//
// Threads: Set under the model's lock; the others any.
class SharedTimeout {
 public:
  explicit SharedTimeout(const core::QueuePlan& plan) { Set(plan); }

  void Set(const core::QueuePlan& plan) {
    may_shorten_.store(plan.allow_timeout_override, std::memory_order_relaxed);
    is_by_level_.store(!plan.level_policies.empty(), std::memory_order_relaxed);
    timeout_.store(plan.delays_expired ? 0 : plan.default_timeout.count(),
                   std::memory_order_relaxed);
  }

  // Levels have rules of their own: only who has the lock can say.
  bool is_by_level() const { return is_by_level_.load(std::memory_order_relaxed); }
  // As scheduler::RefusedAfter.
  std::optional<base::Nanoseconds> Of(uint64_t timeout_us) const {
    const base::Nanoseconds timeout(timeout_.load(std::memory_order_relaxed));
    if (timeout.count() == 0) return std::nullopt;
    return scheduler::RefusedAfter(
        {.default_timeout = timeout,
         .allow_timeout_override = may_shorten_.load(std::memory_order_relaxed)},
        timeout_us);
  }

 private:
  std::atomic<int64_t> timeout_{0};  // ns; 0 = nothing is refused for its age
  std::atomic<bool> may_shorten_{false};
  std::atomic<bool> is_by_level_{false};
};

}  // namespace serving::model
