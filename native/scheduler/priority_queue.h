// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "core/infer_request.h"
#include "core/model_plan.h"

namespace serving::scheduler {

// A request in a queue, and what a batching decision needs to know of it.
struct QueuedRequest {
  core::RequestPtr request = nullptr;
  int64_t rows = 1;
  uint64_t bytes = 0;  // of its inputs, where somebody wants to know
  base::Instant enqueued{};
  base::Instant expires = base::kNever;  // its timeout in the queue or its deadline
  uint64_t shape_key = 0;                // only equal keys share a batch
};

// Where a request waits. Stays the same until the request leaves the queue.
using Place = uint32_t;
inline constexpr Place kNoPlace = UINT32_MAX;

// The waiting requests of one model in the order in which they are served: by level, 1 first;
// within a level those whose time has not run out, then the delayed ones; each first in, first out.
// Every step costs the same however many wait, but for the first request of a level, which costs
// the logarithm of the levels that are not empty. Memory is kept.
//
// Pure: no clock, no lock. Not thread-safe: its model's lock guards it.
class PriorityQueue {
 public:
  // `plan` outlives the queue, or the next call of SetPlan.
  explicit PriorityQueue(const core::QueuePlan& plan);
  // Other rules, of as many levels. What waits keeps its place, and the time at which it expires.
  void SetPlan(const core::QueuePlan& plan);
  PriorityQueue(const PriorityQueue&) = delete;
  PriorityQueue& operator=(const PriorityQueue&) = delete;

  size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  int64_t rows() const { return rows_; }
  uint64_t bytes() const { return bytes_; }

  // The next to be served, and who is served after somebody; kNoPlace = nobody.
  Place First() const {
    if (count_ == 0) return kNoPlace;
    return (only_ != nullptr ? *only_ : levels_.begin()->second).first();
  }
  Place After(Place place) const {
    const Node& node = nodes_[place];
    if (node.next != kNoPlace) return node.next;
    const Place delayed = node.list == 0 ? node.level->lists[1].first : kNoPlace;
    return delayed != kNoPlace || only_ != nullptr ? delayed : AfterLevel(*node.level);
  }
  const QueuedRequest& operator[](Place place) const { return nodes_[place].queued; }
  // Who came first of all, but that delayed requests stand in the order of their delay.
  base::Instant OldestEnqueued() const;

  // The level a request with this parameter waits in; 0 where the model has none.
  uint64_t LevelOf(uint64_t priority) const {
    return priority == 0 || priority > plan_->priority_levels ? plan_->default_priority_level
                                                              : priority;
  }
  const core::QueuePolicy& PolicyOf(uint64_t level) const {
    return only_ != nullptr ? *only_->policy : FindPolicy(level);
  }
  // No more may wait in the level.
  bool IsFull(uint64_t level) const {
    const Level* found = FindLevel(level);
    if (found == nullptr || found->policy->max_queue_size == 0) return false;
    return found->count >= static_cast<size_t>(found->policy->max_queue_size);
  }
  // Requests of the level and of those before it.
  size_t CountUpTo(uint64_t level) const;
  // The next to be served of a level.
  Place FirstOf(uint64_t level) const {
    const Level* found = FindLevel(level);
    return found == nullptr ? kNoPlace : found->first();
  }

  // Puts it at the end of its level, full or not.
  Place Push(uint64_t level, QueuedRequest queued) {
    if (unused_ == kNoPlace) Grow();
    const Place place = unused_;
    unused_ = nodes_[place].next;
    rows_ += queued.rows;
    bytes_ += queued.bytes;
    ++count_;
    Level& found = only_ != nullptr ? *only_ : FindOrMakeLevel(level);
    ++found.count;
    nodes_[place].queued = std::move(queued);
    Link(found, 0, place);
    return place;
  }
  QueuedRequest PopFront() { return Remove(First()); }
  QueuedRequest Remove(Place place) {
    Node& node = nodes_[place];
    Unlink(node);
    if (--node.level->count == 0 && only_ == nullptr) DropLevel(*node.level);
    node.next = unused_;
    unused_ = place;
    --count_;
    rows_ -= node.queued.rows;
    bytes_ -= node.queued.bytes;
    return std::move(node.queued);
  }
  // The place where `sink` is answered from, if that is `place`.
  bool IsAt(Place place, const core::ResponseSink* sink) const {
    return place < nodes_.size() && nodes_[place].queued.request &&
           nodes_[place].queued.request->sink.get() == sink;
  }

  // True for one that its policy puts behind the others of its level when its time runs out.
  bool MayDelay(Place place) const {
    return nodes_[place].list == 0 && nodes_[place].level->policy->delays_expired;
  }
  // Puts it behind the others of its level, where it expires at `expires`. Returns who is served
  // now where it stood.
  Place Delay(Place place, base::Instant expires);
  // Puts it at the end of another level, of those in time. Only where there are several levels.
  void Move(Place place, uint64_t level);

 private:
  struct List {
    Place first = kNoPlace;
    Place last = kNoPlace;
  };
  struct Level {
    const core::QueuePolicy* policy = nullptr;
    List lists[2];  // in time, delayed
    size_t count = 0;
    std::map<uint64_t, Level>::const_iterator self;

    Place first() const { return lists[lists[0].first == kNoPlace ? 1 : 0].first; }
  };
  struct Node {
    QueuedRequest queued;
    Place previous = kNoPlace;
    Place next = kNoPlace;  // also of unused nodes
    Level* level = nullptr;
    uint32_t list = 0;
  };

  const core::QueuePolicy& FindPolicy(uint64_t level) const;
  const Level* FindLevel(uint64_t number) const {
    if (only_ != nullptr) return only_;
    const auto found = levels_.find(number);
    return found == levels_.end() ? nullptr : &found->second;
  }
  Level& FindOrMakeLevel(uint64_t number);
  void DropLevel(const Level& level);
  Place AfterLevel(const Level& level) const;
  void Grow();
  void Link(Level& level, uint32_t list, Place place) {
    Node& node = nodes_[place];
    List& ends = level.lists[list];
    node.level = &level;
    node.list = list;
    node.previous = ends.last;
    node.next = kNoPlace;
    (ends.last == kNoPlace ? ends.first : nodes_[ends.last].next) = place;
    ends.last = place;
  }
  void Unlink(const Node& node) {
    List& ends = node.level->lists[node.list];
    (node.previous == kNoPlace ? ends.first : nodes_[node.previous].next) = node.next;
    (node.next == kNoPlace ? ends.last : nodes_[node.next].previous) = node.previous;
  }

  const core::QueuePlan* plan_;
  // The one level of a model that has no more, which it keeps; others have those in which somebody
  // waits.
  Level* only_ = nullptr;
  std::map<uint64_t, Level> levels_;
  std::vector<std::map<uint64_t, Level>::node_type> spare_levels_;
  std::vector<Node> nodes_;
  Place unused_ = kNoPlace;
  size_t count_ = 0;
  int64_t rows_ = 0;    // of all
  uint64_t bytes_ = 0;  // of all
};

}  // namespace serving::scheduler
