// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/recovery.h"

#include <algorithm>
#include <utility>

namespace serving::model {

using metrics::InstanceCondition;

base::Nanoseconds Recovery::Wait(int attempts) const {
  if (attempts == 0) return base::Nanoseconds(0);
  base::Nanoseconds wait = options_.first_wait;
  for (int i = 1; i < attempts && wait < options_.longest_wait; ++i) wait *= 2;
  return std::min(wait, options_.longest_wait);
}

void Recovery::WaitOrLose(base::Instant now) {
  state_.condition =
      attempts_ < options_.most_attempts ? InstanceCondition::kPoisoned : InstanceCondition::kLost;
  next_attempt_ = now + Wait(attempts_);
}

void Recovery::Poison(std::string reason, base::Instant now) {
  if (now - serving_since_ >= options_.trusted_after) {
    attempts_ = 0;
    state_.failed_attempts = 0;
  }
  ++state_.poisonings;
  state_.reason = std::move(reason);
  WaitOrLose(now);
}

void Recovery::Rebuilt(base::Instant now) {
  ++attempts_;
  serving_since_ = now;
  state_.condition = InstanceCondition::kServing;
  state_.reason.clear();
}

void Recovery::Fail(std::string reason, base::Instant now) {
  ++attempts_;
  ++state_.failed_attempts;
  state_.reason = std::move(reason);
  WaitOrLose(now);
}

}  // namespace serving::model
