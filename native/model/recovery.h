// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <string>

#include "base/clock.h"
#include "metrics/instance_state.h"

namespace serving::model {

// How a poisoned instance is rebuilt: at once, then after a wait that doubles.
struct RecoveryOptions {
  base::Nanoseconds first_wait = std::chrono::milliseconds(100);
  base::Nanoseconds longest_wait = std::chrono::seconds(30);
  int most_attempts = 10;
  // An instance that is poisoned again before it served for this long goes on with the attempts it
  // had: one that every request kills is not rebuilt for ever.
  base::Nanoseconds trusted_after = std::chrono::seconds(60);
};

// Where one instance stands between serving and being lost. Pure: no clock, no lock.
//
//   kServing → Poison → kPoisoned → BeginRebuild → kRebuilding → Rebuilt → kServing
//                           ↑______________ Fail _______|   (too often: kLost)
class Recovery {
 public:
  explicit Recovery(const RecoveryOptions& options) : options_(options) {}

  bool is_serving() const { return state_.condition == metrics::InstanceCondition::kServing; }
  bool is_lost() const { return state_.condition == metrics::InstanceCondition::kLost; }
  // Not before this moment; kPoisoned only.
  base::Instant next_attempt() const { return next_attempt_; }
  const metrics::InstanceState& state() const { return state_; }

  void Poison(std::string reason, base::Instant now);
  void BeginRebuild() { state_.condition = metrics::InstanceCondition::kRebuilding; }
  void Rebuilt(base::Instant now);
  void Fail(std::string reason, base::Instant now);
  // Never to be rebuilt.
  void Lose() { state_.condition = metrics::InstanceCondition::kLost; }

 private:
  // After so many attempts.
  base::Nanoseconds Wait(int attempts) const;
  void WaitOrLose(base::Instant now);

  const RecoveryOptions options_;
  metrics::InstanceState state_;
  int attempts_ = 0;  // since it was last trusted
  base::Instant next_attempt_{};
  base::Instant serving_since_{};
};

}  // namespace serving::model
