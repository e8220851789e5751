// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/priority_queue.h"

#include <algorithm>
#include <random>

#include "gtest/gtest.h"

namespace serving::scheduler {
namespace {

core::QueuePlan Levels(uint64_t count, uint64_t default_level = 1) {
  core::QueuePlan plan;
  plan.priority_levels = count;
  plan.default_priority_level = default_level;
  return plan;
}

QueuedRequest Numbered(int64_t number) { return {.rows = number}; }

std::vector<int64_t> Order(const PriorityQueue& queue) {
  std::vector<int64_t> order;
  for (Place place = queue.First(); place != kNoPlace; place = queue.After(place)) {
    order.push_back(queue[place].rows);
  }
  return order;
}

TEST(PriorityQueue, IsFirstInFirstOutWithinALevel) {
  const core::QueuePlan plan;
  PriorityQueue queue(plan);
  int64_t pushed = 0;
  int64_t popped = 0;
  for (int round = 0; round < 1000; ++round) {
    for (int i = 0; i < 50; ++i) queue.Push(0, Numbered(pushed++));
    for (int i = 0; i < 49; ++i) ASSERT_EQ(queue.PopFront().rows, popped++);
  }
  EXPECT_EQ(queue.size(), 1000u);
  while (!queue.empty()) ASSERT_EQ(queue.PopFront().rows, popped++);
  EXPECT_EQ(popped, pushed);
}

TEST(PriorityQueue, TakesOtherRulesForWhatWaits) {
  core::QueuePlan first = Levels(2);
  first.level_policies[2].max_queue_size = 9;
  PriorityQueue queue(first);
  for (int i = 0; i < 3; ++i) queue.Push(2, Numbered(i));
  core::QueuePlan second = Levels(2, 2);
  second.max_queue_size = 3;
  second.delays_expired = true;
  queue.SetPlan(second);
  EXPECT_TRUE(queue.IsFull(2));
  EXPECT_FALSE(queue.IsFull(1));
  EXPECT_TRUE(queue.MayDelay(queue.First()));
  EXPECT_EQ(queue.LevelOf(0), 2u);
  EXPECT_EQ(Order(queue), (std::vector<int64_t>{0, 1, 2}));
}

TEST(PriorityQueue, ServesLevelOneFirst) {
  const core::QueuePlan plan = Levels(3);
  PriorityQueue queue(plan);
  for (const uint64_t level : {3, 1, 2, 3, 1}) {
    queue.Push(level, Numbered(static_cast<int64_t>(level * 10 + queue.size())));
  }
  EXPECT_EQ(Order(queue), (std::vector<int64_t>{11, 14, 22, 30, 33}));
}

TEST(PriorityQueue, ServesTheDelayedAfterTheOthersOfTheirLevel) {
  core::QueuePlan plan = Levels(2);
  plan.delays_expired = true;
  PriorityQueue queue(plan);
  const Place first = queue.Push(1, Numbered(1));
  const Place second = queue.Push(1, Numbered(2));
  queue.Push(2, Numbered(3));
  EXPECT_TRUE(queue.MayDelay(first));
  EXPECT_EQ(queue.Delay(first, base::kNever), second);
  EXPECT_FALSE(queue.MayDelay(first));
  EXPECT_EQ(Order(queue), (std::vector<int64_t>{2, 1, 3}));
  EXPECT_EQ(queue.Delay(second, base::kNever), first);
  queue.Push(1, Numbered(4));
  EXPECT_EQ(Order(queue), (std::vector<int64_t>{4, 1, 2, 3}));
  EXPECT_EQ(queue.size(), 4u);
}

TEST(PriorityQueue, TakesAnUnknownPriorityForTheDefault) {
  const core::QueuePlan three = Levels(3, 2);
  const PriorityQueue queue(three);
  EXPECT_EQ(queue.LevelOf(0), 2u);
  EXPECT_EQ(queue.LevelOf(1), 1u);
  EXPECT_EQ(queue.LevelOf(3), 3u);
  EXPECT_EQ(queue.LevelOf(4), 2u);
  EXPECT_EQ(queue.LevelOf(UINT64_MAX), 2u);
  const core::QueuePlan none;
  EXPECT_EQ(PriorityQueue(none).LevelOf(7), 0u);
}

TEST(PriorityQueue, LimitsEachLevelByItsOwnPolicy) {
  core::QueuePlan plan = Levels(3);
  plan.max_queue_size = 2;
  plan.level_policies[2] = {.max_queue_size = 1, .delays_expired = true};
  plan.level_policies[3] = {};
  PriorityQueue queue(plan);
  const auto fits = [&](uint64_t level) {
    int count = 0;
    while (!queue.IsFull(level) && count < 100) ++count, queue.Push(level, Numbered(1));
    return count;
  };
  EXPECT_EQ(fits(1), 2);
  EXPECT_EQ(fits(2), 1);
  EXPECT_EQ(fits(3), 100);
  queue.Delay(queue.FirstOf(2), base::kNever);
  EXPECT_TRUE(queue.IsFull(2));  // the delayed count
  queue.Remove(queue.FirstOf(2));
  EXPECT_FALSE(queue.IsFull(2));
}

TEST(PriorityQueue, HoldsAnyOfTheLargestNumberOfLevels) {
  const core::QueuePlan plan = Levels(UINT64_MAX);
  PriorityQueue queue(plan);
  std::mt19937_64 random(3);
  for (int round = 0; round < 3; ++round) {
    std::vector<uint64_t> levels;
    for (int i = 0; i < 1000; ++i) {
      const uint64_t level = std::max<uint64_t>(random(), 1);
      queue.Push(level, {.bytes = level});
      levels.push_back(level);
    }
    std::ranges::sort(levels);
    for (const uint64_t level : levels) ASSERT_EQ(queue.PopFront().bytes, level);
    EXPECT_TRUE(queue.empty());
  }
}

// Against plain lists: any mixture of what can happen to a queue.
TEST(PriorityQueue, KeepsTheOrderThroughAnything) {
  struct Model {
    std::vector<int64_t> lists[3][2];
    std::vector<int64_t> Order() const {
      std::vector<int64_t> order;
      for (const auto& level : lists) {
        for (const auto& list : level) order.insert(order.end(), list.begin(), list.end());
      }
      return order;
    }
  };
  for (const uint64_t levels : {1, 3}) {
    core::QueuePlan plan = Levels(levels);
    plan.delays_expired = true;
    PriorityQueue queue(plan);
    Model model;
    std::mt19937 random(7);
    std::map<int64_t, std::pair<Place, size_t>> where;  // its place and level
    const auto forget = [&](int64_t number, bool again) {
      const size_t level = where.at(number).second;
      for (auto& list : model.lists[level]) std::erase(list, number);
      if (again) return model.lists[level][1].push_back(number);
      where.erase(number);
    };
    for (int64_t step = 0; step < 20'000; ++step) {
      const auto dice = random() % 10;
      if (dice < 5 || queue.empty()) {
        const size_t level = random() % levels;
        where[step] = {queue.Push(level + 1, Numbered(step)), level};
        model.lists[level][0].push_back(step);
      } else if (dice < 7) {
        forget(queue.PopFront().rows, false);
      } else {
        const auto order = model.Order();
        const int64_t number = order[random() % order.size()];
        const Place place = where.at(number).first;
        if (dice == 9) {
          ASSERT_EQ(queue.Remove(place).rows, number);
          forget(number, false);
        } else if (queue.MayDelay(place)) {
          queue.Delay(place, base::kNever);
          forget(number, true);
        }
      }
      ASSERT_EQ(queue.size(), where.size());
      if (step % 16 == 0) {
        ASSERT_EQ(Order(queue), model.Order());
      }
    }
  }
}

TEST(PriorityQueue, OwnsItsRequests) {
  struct Counting final : core::RequestHome {
    int home = 0;
    void Recycle(core::InferRequest* request) override {
      ++home;
      delete request;
    }
  } counting;
  const core::QueuePlan plan;
  {
    PriorityQueue queue(plan);
    for (int i = 0; i < 200; ++i) {
      QueuedRequest queued;
      queued.request = core::RequestPtr(new core::InferRequest);
      queued.request->home = &counting;
      queue.Push(0, std::move(queued));
    }
    {
      const QueuedRequest removed = queue.Remove(100);
    }
    {
      const QueuedRequest popped = queue.PopFront();
    }
    EXPECT_EQ(counting.home, 2);
  }
  EXPECT_EQ(counting.home, 200);
}

}  // namespace
}  // namespace serving::scheduler
