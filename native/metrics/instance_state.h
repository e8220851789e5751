// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace serving::metrics {

// - kServing: takes work.
// - kPoisoned: its backend said that it must not run again; it waits to be rebuilt.
// - kRebuilding: its backend builds it anew.
// - kLost: it was rebuilt in vain too often; it is gone until the model is loaded again.
enum class InstanceCondition : uint8_t { kServing, kPoisoned, kRebuilding, kLost };

constexpr std::string_view ConditionName(InstanceCondition condition) {
  constexpr std::string_view kNames[] = {"serving", "poisoned", "rebuilding", "lost"};
  return kNames[static_cast<size_t>(condition)];
}

// One instance of a model at the moment of a snapshot.
struct InstanceState {
  InstanceCondition condition = InstanceCondition::kServing;
  std::string reason;       // what poisoned it, or why it could not be rebuilt; empty while serving
  int failed_attempts = 0;  // to rebuild it, since it last served for long
  uint64_t poisonings = 0;  // since the load
};

}  // namespace serving::metrics
