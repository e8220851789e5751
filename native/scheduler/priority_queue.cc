// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/priority_queue.h"

#include <algorithm>

#include "base/check.h"

namespace serving::scheduler {
namespace {

// Levels that wait to be used again. A model may have 2^64.
constexpr size_t kSpareLevels = 64;

}  // namespace

PriorityQueue::PriorityQueue(const core::QueuePlan& plan) : plan_(&plan) {
  if (plan.priority_levels <= 1) only_ = &FindOrMakeLevel(plan.default_priority_level);
}

void PriorityQueue::SetPlan(const core::QueuePlan& plan) {
  SERVING_CHECK(plan.priority_levels == plan_->priority_levels,
                "a queue gets rules for another number of levels");
  plan_ = &plan;
  for (auto& [number, level] : levels_) level.policy = &FindPolicy(number);
}

const core::QueuePolicy& PriorityQueue::FindPolicy(uint64_t level) const {
  const auto found = plan_->level_policies.find(level);
  return found == plan_->level_policies.end() ? *plan_ : found->second;
}

PriorityQueue::Level& PriorityQueue::FindOrMakeLevel(uint64_t number) {
  const auto after = levels_.lower_bound(number);
  if (after != levels_.end() && after->first == number) return after->second;
  auto made = levels_.end();
  if (spare_levels_.empty()) {
    made = levels_.emplace_hint(after, number, Level());
  } else {
    spare_levels_.back().key() = number;
    made = levels_.insert(after, std::move(spare_levels_.back()));
    spare_levels_.pop_back();
  }
  made->second.policy = &FindPolicy(number);
  made->second.self = made;
  return made->second;
}

void PriorityQueue::DropLevel(const Level& level) {
  auto node = levels_.extract(level.self);
  if (spare_levels_.size() < kSpareLevels) spare_levels_.push_back(std::move(node));
}

Place PriorityQueue::AfterLevel(const Level& level) const {
  const auto following = std::next(level.self);
  return following == levels_.end() ? kNoPlace : following->second.first();
}

size_t PriorityQueue::CountUpTo(uint64_t level) const {
  size_t count = 0;
  for (const auto& [number, found] : levels_) {
    if (number > level) break;
    count += found.count;
  }
  return count;
}

base::Instant PriorityQueue::OldestEnqueued() const {
  base::Instant oldest = base::kNever;
  for (const auto& [number, level] : levels_) {
    for (const List& list : level.lists) {
      if (list.first != kNoPlace) oldest = std::min(oldest, nodes_[list.first].queued.enqueued);
    }
  }
  return oldest;
}

void PriorityQueue::Grow() {
  const size_t size = nodes_.size();
  nodes_.resize(std::max<size_t>(size * 2, 64));
  for (size_t i = nodes_.size(); i-- > size;) {
    nodes_[i].next = std::exchange(unused_, static_cast<Place>(i));
  }
}

Place PriorityQueue::Delay(Place place, base::Instant expires) {
  const Place next = nodes_[place].next;
  Level& level = *nodes_[place].level;
  Unlink(nodes_[place]);
  nodes_[place].queued.expires = expires;
  Link(level, 1, place);
  return next != kNoPlace ? next : level.lists[1].first;
}

void PriorityQueue::Move(Place place, uint64_t level) {
  const Node& node = nodes_[place];
  Unlink(node);
  if (--node.level->count == 0) DropLevel(*node.level);
  Level& found = FindOrMakeLevel(level);
  ++found.count;
  Link(found, 0, place);
}

}  // namespace serving::scheduler
