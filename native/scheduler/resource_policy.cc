// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/resource_policy.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

namespace serving::scheduler {
namespace {

constexpr int64_t kCpu = 0;

}  // namespace

std::optional<uint64_t> ResourcePolicy::LimitOf(const ResourceNeed& need) const {
  if (limits_.empty()) return std::nullopt;
  uint64_t anywhere = 0;
  uint64_t on_each = 0;
  std::optional<uint64_t> on_this;
  for (const ResourceLimit& limit : limits_) {
    if (limit.name != need.name) continue;
    anywhere = std::max(anywhere, limit.count);
    if (!limit.device) on_each = limit.count;
    if (limit.device == kCpu) on_this = limit.count;
  }
  return need.is_global ? anywhere : on_this.value_or(on_each);
}

base::Status ResourcePolicy::Check(const ResourceNeed& need) const {
  const auto found = resources_.find(need.name);
  if (found != resources_.end() && found->second.is_global != need.is_global) {
    return base::InvalidArgument("Resource \"" + need.name +
                                 "\" is present as both global and device-specific resource in "
                                 "the model configuration.");
  }
  const auto limit = LimitOf(need);
  if (limit && *limit < need.count) {
    return base::InvalidArgument("Resource count for \"" + need.name + "\" is limited to " +
                                 std::to_string(*limit) +
                                 " which will prevent scheduling of one or more model instances, "
                                 "the minimum required count is " +
                                 std::to_string(need.count));
  }
  return {};
}

void ResourcePolicy::SetTotal(const ResourceNeed& need) {
  Resource& resource = resources_.at(need.name);
  if (const auto limit = LimitOf(need)) {
    resource.total = *limit;
    return;
  }
  resource.total = 0;
  for (const auto& [id, instance] : instances_) {
    for (const ResourceNeed& other : instance.needs) {
      if (other.name == need.name) resource.total = std::max(resource.total, other.count);
    }
  }
}

base::Result<ResourcePolicy::Id> ResourcePolicy::Register(std::vector<ResourceNeed> needs,
                                                          uint32_t priority) {
  for (const ResourceNeed& need : needs) RETURN_IF_ERROR(Check(need));
  const Id id = next_id_++;
  Instance& instance = instances_[id];
  instance.needs = std::move(needs);
  instance.priority = std::max<uint32_t>(priority, 1);
  for (const ResourceNeed& need : instance.needs) {
    Resource& resource = resources_[need.name];
    resource.is_global = need.is_global;
    ++resource.users;
    SetTotal(need);
  }
  return id;
}

void ResourcePolicy::Unregister(Id id) {
  const auto node = instances_.extract(id);
  for (const ResourceNeed& need : node.mapped().needs) {
    if (--resources_.at(need.name).users == 0) {
      resources_.erase(need.name);
    } else {
      SetTotal(need);
    }
  }
}

void ResourcePolicy::Ask(Id id) {
  Instance& instance = instances_.at(id);
  instance.state = State::kAsking;
  instance.asked = ++asked_;
}

void ResourcePolicy::Withdraw(Id id) { instances_.at(id).state = State::kIdle; }

void ResourcePolicy::Release(Id id) {
  Instance& instance = instances_.at(id);
  for (const ResourceNeed& need : instance.needs) resources_.at(need.name).held -= need.count;
  instance.state = State::kIdle;
}

std::vector<ResourcePolicy::Id> ResourcePolicy::Grant() {
  std::vector<std::tuple<uint64_t, uint64_t, Id>> asking;
  for (const auto& [id, instance] : instances_) {
    if (instance.state != State::kAsking) continue;
    asking.emplace_back(instance.executions * instance.priority, instance.asked, id);
  }
  std::ranges::sort(asking);
  std::set<std::string_view> kept;
  std::vector<Id> granted;
  for (const auto& [turn, asked, id] : asking) {
    Instance& instance = instances_.at(id);
    const bool may_run = std::ranges::all_of(instance.needs, [&](const ResourceNeed& need) {
      const Resource& resource = resources_.at(need.name);
      // Fewer than are held, when the neediest instance has left meanwhile.
      return !kept.contains(need.name) && resource.held <= resource.total &&
             need.count <= resource.total - resource.held;
    });
    if (!may_run) {
      for (const ResourceNeed& need : instance.needs) kept.insert(need.name);
      continue;
    }
    for (const ResourceNeed& need : instance.needs) resources_.at(need.name).held += need.count;
    instance.state = State::kRunning;
    ++instance.executions;
    granted.push_back(id);
  }
  return granted;
}

}  // namespace serving::scheduler
