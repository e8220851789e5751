// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/batch_policy.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace serving::scheduler {
namespace {

using std::chrono::microseconds;

constexpr base::Instant kStart{std::chrono::hours(1)};
const core::QueuePlan kOneLevel;

// What waits, oldest first; the first came `first_age` ago, the others now.
struct Waiting {
  int64_t rows;
  uint64_t shape = 0;
};

struct Case {
  std::string name = "";
  std::vector<Waiting> queue = {};
  std::vector<int64_t> preferred = {};
  int64_t delay_us = 0;
  int64_t first_age_us = 0;
  size_t send = 0;       // 0: wait
  int64_t wait_us = -1;  // from now; -1: never
};

core::ModelPlan Plan(int64_t max_batch_size, const Case& test) {
  core::ModelPlan plan;
  plan.max_batch_size = max_batch_size;
  plan.batching = core::BatchingPlan{.preferred_batch_sizes = test.preferred,
                                     .max_queue_delay = microseconds(test.delay_us)};
  return plan;
}

void Fill(PriorityQueue& queue, const Case& test) {
  for (const Waiting& waiting : test.queue) {
    QueuedRequest request;
    request.rows = waiting.rows;
    request.shape_key = waiting.shape;
    request.enqueued = queue.empty() ? kStart - microseconds(test.first_age_us) : kStart;
    queue.Push(0, std::move(request));
  }
}

class DynamicBatching : public ::testing::TestWithParam<Case> {};

TEST_P(DynamicBatching, Decides) {
  const Case& test = GetParam();
  PriorityQueue queue(kOneLevel);
  Fill(queue, test);
  const BatchDecision decision = NextBatch(queue, kStart, Plan(8, test));
  EXPECT_EQ(decision.send, test.send);
  int64_t rows = 0;
  for (size_t i = 0; i < test.send; ++i) rows += test.queue[i].rows;
  EXPECT_EQ(decision.rows, rows);
  EXPECT_EQ(decision.wait_until,
            test.wait_us < 0 ? base::kNever : kStart + microseconds(test.wait_us));
}

INSTANTIATE_TEST_SUITE_P(
    Table, DynamicBatching,
    ::testing::Values(Case{"NothingWaits", {}, {8}, 0, 0, 0},
                      Case{"OneGoesAtOnceWithoutDelay", {{1}}, {8}, 0, 0, 1},
                      Case{"AllThatWaitGoTogether", {{1}, {2}, {3}}, {8}, 0, 0, 3},
                      Case{"NeverOverTheLimit", {{5}, {3}, {1}}, {8}, 0, 0, 2},
                      Case{"StopsBeforeOneThatDoesNotFit", {{5}, {4}, {1}}, {8}, 0, 0, 1},
                      Case{"NeverSkipsOverOne", {{5}, {4}, {3}}, {8}, 1000, 0, 1},
                      Case{"AFullRequestGoesAlone", {{8}, {1}}, {8}, 1000, 0, 1},
                      Case{"AnOversizedRequestGoesAlone", {{9}, {1}}, {8}, 1000, 0, 1},
                      Case{"OnlyEqualShapesShare", {{1, 7}, {1, 7}, {1, 9}, {1, 7}}, {8}, 0, 0, 2},
                      Case{"AnotherShapeEndsTheWait", {{1, 7}, {1, 9}}, {8}, 1000, 0, 1},
                      Case{"WaitsForMore", {{1}}, {8}, 1000, 0, 0, 1000},
                      Case{"WaitsFromTheOldest", {{1}, {1}}, {8}, 1000, 400, 0, 600},
                      Case{"SendsWhenTheWaitIsOver", {{1}, {1}}, {8}, 1000, 1000, 2},
                      Case{"SendsWhenTheWaitIsLongOver", {{1}, {1}}, {8}, 1000, 5000, 2},
                      Case{"APreferredSizeIsSentAtOnce", {{2}, {2}}, {4}, 1000, 0, 2},
                      Case{
                          "TheLargestPreferredSizeReached", {{2}, {2}, {2}}, {2, 4, 8}, 1000, 0, 2},
                      Case{"RowsBeyondAPreferredSizeStay", {{2}, {2}, {1}}, {4, 8}, 1000, 0, 2},
                      Case{"BetweenPreferredSizesItWaits", {{3}, {2}}, {4, 8}, 1000, 0, 0, 1000},
                      Case{"AtTheEndOfTheWaitAllGo", {{2}, {2}, {1}}, {4, 8}, 1000, 1000, 3},
                      Case{"TheLimitIsSentEvenIfNotPreferred", {{4}, {4}}, {2}, 1000, 0, 2},
                      Case{"WithoutPreferredSizesItWaits", {{4}, {3}}, {}, 1000, 0, 0, 1000}),
    [](const auto& info) { return info.param.name; });

TEST(DirectScheduling, SendsOneAtATime) {
  const Case test{"", {{1}, {1}, {1}}, {}, 0, 0, 1};
  core::ModelPlan plan;
  plan.max_batch_size = 8;
  PriorityQueue queue(kOneLevel);
  Fill(queue, test);
  EXPECT_EQ(NextBatch(queue, kStart, plan).send, 1u);
  EXPECT_EQ(NextBatch(PriorityQueue(kOneLevel), kStart, plan).send, 0u);
}

TEST(DynamicBatchingWithoutABatchDimension, SendsOneAtATime) {
  for (const int64_t max_batch_size : {0, 1}) {
    const Case test{"", {{1}, {1}}, {}, 1000, 0, 1};
    PriorityQueue queue(kOneLevel);
    Fill(queue, test);
    EXPECT_EQ(NextBatch(queue, kStart, Plan(max_batch_size, test)).send, 1u);
  }
}

TEST(DynamicBatchingOverLevels, FillsABatchWithTheLevelsInTheirOrder) {
  core::QueuePlan levels;
  levels.priority_levels = 3;
  levels.default_priority_level = 2;
  PriorityQueue queue(levels);
  for (const uint64_t level : {3, 1, 2, 1}) {
    queue.Push(level, {.rows = static_cast<int64_t>(level), .enqueued = kStart});
  }
  const BatchDecision decision = NextBatch(queue, kStart, Plan(5, {}));
  EXPECT_EQ(decision.send, 3u);  // 1, 1 and 2; 3 does not fit
  EXPECT_EQ(decision.rows, 4);
}

TEST(DynamicBatchingOverLevels, WaitsFromTheOldestOfTheBatch) {
  core::QueuePlan levels;
  levels.priority_levels = 2;
  levels.default_priority_level = 1;
  PriorityQueue queue(levels);
  queue.Push(2, {.enqueued = kStart - microseconds(700)});
  queue.Push(1, {.enqueued = kStart});
  const core::ModelPlan plan = Plan(8, {.preferred = {8}, .delay_us = 1000});
  EXPECT_EQ(NextBatch(queue, kStart, plan).wait_until, kStart + microseconds(300));
}

TEST(DynamicBatchingWithTimeouts, LooksAgainWhenOneOfTheBatchExpires) {
  PriorityQueue queue(kOneLevel);
  queue.Push(0, {.enqueued = kStart});
  queue.Push(0, {.enqueued = kStart, .expires = kStart + microseconds(10)});
  const core::ModelPlan plan = Plan(8, {.preferred = {8}, .delay_us = 1000});
  EXPECT_EQ(NextBatch(queue, kStart, plan).wait_until, kStart + microseconds(10));
}

}  // namespace
}  // namespace serving::scheduler
