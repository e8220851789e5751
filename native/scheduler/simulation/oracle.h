// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/clock.h"
#include "core/model_plan.h"
#include "scheduler/queue_policy.h"

namespace serving::scheduler::simulation {

// What the world knows of a request.
struct Facts {
  uint64_t number = 0;  // in the order of arrival
  uint64_t level = 0;
  int64_t rows = 1;
  uint64_t shape = 0;
  base::Instant enqueued{};
  base::Instant timeout = base::kNever;   // by the policy of its level
  base::Instant deadline = base::kNever;  // of its client
  bool is_cancelled = false;
};

// The queues as plain lists, written from what Triton promises and without a thought for time: what
// the real ones are held against.
class Oracle {
 public:
  struct Dropped {
    uint64_t number;
    DropReason reason;
    bool operator==(const Dropped&) const = default;
  };

  explicit Oracle(const core::QueuePlan& plan) : plan_(plan) {}

  uint64_t LevelOf(uint64_t priority) const {
    return priority >= 1 && priority <= plan_.priority_levels ? priority
                                                              : plan_.default_priority_level;
  }
  const core::QueuePolicy& PolicyOf(uint64_t level) const {
    const auto found = plan_.level_policies.find(level);
    return found == plan_.level_policies.end() ? plan_ : found->second;
  }
  bool IsFull(uint64_t level) {
    const auto limit = static_cast<size_t>(PolicyOf(level).max_queue_size);
    const Queues& queues = levels_[level];
    return limit != 0 && queues.in_time.size() + queues.delayed.size() >= limit;
  }
  void Push(const Facts* facts) { levels_[facts->level].in_time.push_back(facts); }
  void Remove(const Facts* facts) {
    for (auto& [level, queues] : levels_) {
      std::erase(queues.in_time, facts);
      std::erase(queues.delayed, facts);
    }
  }
  // Where the levels are classes: who has waited long enough moves up.
  void Age(base::Instant now) {
    if (!plan_.classes) return;
    for (const uint64_t level : {uint64_t{3}, uint64_t{2}}) {
      auto& waiting = levels_[level].in_time;
      const auto is_due = [&](const Facts* facts) {
        return now - facts->enqueued >=
               plan_.classes->ageing * static_cast<int64_t>(facts->level - level + 1);
      };
      for (const Facts* facts : waiting) {
        if (is_due(facts)) levels_[level - 1].in_time.push_back(facts);
      }
      std::erase_if(waiting, is_due);
    }
  }
  // Everybody who waits, in the order in which they are served.
  const std::vector<const Facts*>& Order() {
    order_.clear();
    for (const auto& [level, queues] : levels_) {
      order_.insert(order_.end(), queues.in_time.begin(), queues.in_time.end());
      order_.insert(order_.end(), queues.delayed.begin(), queues.delayed.end());
    }
    return order_;
  }
  // Applies the policies of the levels from `level` on, as far as `rows` living rows reach. Returns
  // who goes, in this order.
  std::vector<Dropped> ApplyPolicies(uint64_t level, base::Instant now, int64_t rows) {
    std::vector<Dropped> dropped;
    for (auto at = levels_.lower_bound(level); at != levels_.end(); ++at) {
      Queues& queues = at->second;
      const bool delays = PolicyOf(at->first).delays_expired;
      for (auto* list : {&queues.in_time, &queues.delayed}) {
        for (size_t i = 0; i < list->size();) {
          if (rows <= 0) return dropped;
          const Facts* facts = (*list)[i];
          const bool is_late = facts->deadline <= now;
          const bool is_expired = list == &queues.in_time && facts->timeout <= now;
          if (!facts->is_cancelled && !is_late && !is_expired) {
            rows -= facts->rows;
            ++i;
            continue;
          }
          list->erase(list->begin() + static_cast<std::ptrdiff_t>(i));
          if (facts->is_cancelled) {
            dropped.push_back({facts->number, DropReason::kCancelled});
          } else if (is_late) {
            dropped.push_back({facts->number, DropReason::kDeadline});
          } else if (delays) {
            queues.delayed.push_back(facts);
          } else {
            dropped.push_back({facts->number, DropReason::kTimeout});
          }
        }
      }
    }
    return dropped;
  }

 private:
  struct Queues {
    std::vector<const Facts*> in_time;
    std::vector<const Facts*> delayed;
  };

  const core::QueuePlan& plan_;
  std::map<uint64_t, Queues> levels_;
  std::vector<const Facts*> order_;
};

}  // namespace serving::scheduler::simulation
