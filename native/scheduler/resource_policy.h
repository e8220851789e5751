// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "core/model_plan.h"

namespace serving::scheduler {

using core::ResourceNeed;

// How much of a resource there is; `device` empty = on each.
struct ResourceLimit {
  std::string name;
  uint64_t count = 0;
  std::optional<int64_t> device;
};

// Triton's rate limiter: which of the instances of all models that want to run may. Each holds its
// resources while it runs. Without limits there is as much of a resource as the neediest instance
// holds.
//
// The next is the one with the smallest product of its executions and its priority, so an instance
// of priority 1 runs twice as often as one of priority 2. One whose resources are not free keeps
// those that it needs for itself: nobody behind it takes them, so everybody comes to run. Who needs
// others passes it.
//
// Pure: no clock, no lock. Every instance is on the CPU, Triton's device 0.
class ResourcePolicy {
 public:
  using Id = uint64_t;

  explicit ResourcePolicy(std::vector<ResourceLimit> limits) : limits_(std::move(limits)) {}

  // An instance that may want to run. Refused, in Triton's words, when it could never: it needs
  // more than there is, or a resource is global for one instance and of a device for another.
  base::Result<Id> Register(std::vector<ResourceNeed> needs, uint32_t priority);
  // It neither wants to run nor runs.
  void Unregister(Id id);

  // It wants to run.
  void Ask(Id id);
  // It no longer wants to.
  void Withdraw(Id id);
  // It has run.
  void Release(Id id);

  // Gives resources to those that may run now, and returns them.
  std::vector<Id> Grant();
  bool IsRunning(Id id) const { return instances_.at(id).state == State::kRunning; }

 private:
  enum class State : uint8_t { kIdle, kAsking, kRunning };
  struct Instance {
    std::vector<ResourceNeed> needs;
    uint64_t priority = 1;
    uint64_t executions = 0;
    uint64_t asked = 0;  // in the order of asking
    State state = State::kIdle;
  };
  struct Resource {
    bool is_global = false;
    uint64_t users = 0;  // instances that need it
    uint64_t total = 0;
    uint64_t held = 0;
  };

  // By the limits; nothing where there are none.
  std::optional<uint64_t> LimitOf(const ResourceNeed& need) const;
  base::Status Check(const ResourceNeed& need) const;
  // As much as is configured, or as the neediest instance holds.
  void SetTotal(const ResourceNeed& need);

  const std::vector<ResourceLimit> limits_;
  std::map<std::string, Resource> resources_;
  std::map<Id, Instance> instances_;
  Id next_id_ = 1;
  uint64_t asked_ = 0;
};

}  // namespace serving::scheduler
