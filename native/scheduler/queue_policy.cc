// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/queue_policy.h"

namespace serving::scheduler {

std::optional<base::Nanoseconds> QueueTimeout(const core::QueuePolicy& policy,
                                              uint64_t timeout_us) {
  if (policy.default_timeout.count() == 0) return std::nullopt;
  if (policy.allow_timeout_override && timeout_us != 0 &&
      timeout_us < static_cast<uint64_t>(policy.default_timeout.count() / 1000)) {
    return std::chrono::microseconds(timeout_us);
  }
  return policy.default_timeout;
}

std::optional<base::Nanoseconds> RefusedAfter(const core::QueuePolicy& policy,
                                              uint64_t timeout_us) {
  return policy.delays_expired ? std::nullopt : QueueTimeout(policy, timeout_us);
}

}  // namespace serving::scheduler
