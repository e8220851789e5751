// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/queue_policy.h"

#include <vector>

#include "gtest/gtest.h"

namespace serving::scheduler {
namespace {

using std::chrono::microseconds;

constexpr base::Instant kStart{std::chrono::hours(1)};

// Answers nobody.
class SilentSink final : public core::ResponseSink {
 public:
  core::InferResponse* NewResponse() override { return nullptr; }
  base::BufferRef AllocateOutput(uint32_t, size_t) override { return nullptr; }
  base::Waker* Send(core::InferResponse*) override { return nullptr; }
};

class QueuePolicies : public ::testing::Test {
 protected:
  // Numbers stand in `rows` of the queue; every living request counts as its number.
  Place Push(PriorityQueue& queue, int64_t number, base::Instant expires = base::kNever,
             base::Instant deadline = base::kNever) {
    QueuedRequest queued{.rows = number, .enqueued = kStart, .expires = expires};
    queued.request = core::RequestPtr(new core::InferRequest);
    queued.request->deadline = deadline;
    queued.request->sink = base::MakeRef<SilentSink>();
    return queue.Push(1, std::move(queued));
  }
  void Apply(PriorityQueue& queue, base::Instant now = kStart, int64_t rows = INT64_MAX) {
    ApplyPolicies(queue, queue.First(), now, rows, [&](QueuedRequest queued, DropReason reason) {
      dropped_.emplace_back(queued.rows, reason);
    });
    left_.clear();
    for (Place place = queue.First(); place != kNoPlace; place = queue.After(place)) {
      left_.push_back(queue[place].rows);
    }
  }

  using Dropped = std::vector<std::pair<int64_t, DropReason>>;
  using Left = std::vector<int64_t>;
  Dropped dropped_;
  Left left_;
};

TEST_F(QueuePolicies, RejectsWhatHasExpired) {
  const core::QueuePlan plan;
  PriorityQueue queue(plan);
  Push(queue, 1, kStart);
  Push(queue, 2, kStart + microseconds(1));
  Push(queue, 3, kStart - microseconds(1));
  Apply(queue);
  EXPECT_EQ(left_, Left{2});
  EXPECT_EQ(dropped_, (Dropped{{1, DropReason::kTimeout}, {3, DropReason::kTimeout}}));
}

TEST_F(QueuePolicies, DelaysWhatHasExpiredAndKeepsItsDeadline) {
  core::QueuePlan plan;
  plan.delays_expired = true;
  PriorityQueue queue(plan);
  const base::Instant deadline = kStart + microseconds(5);
  Push(queue, 1, kStart, deadline);
  Push(queue, 2, kStart);
  Push(queue, 3);
  Push(queue, 4, kStart);
  Apply(queue);
  EXPECT_EQ(left_, (Left{3, 1, 2, 4}));
  EXPECT_EQ(dropped_, Dropped{});
  Apply(queue, deadline);
  EXPECT_EQ(left_, (Left{3, 2, 4}));
  EXPECT_EQ(dropped_, (Dropped{{1, DropReason::kDeadline}}));
}

TEST_F(QueuePolicies, DropsTheCancelledWhereverTheyWait) {
  core::QueuePlan plan;
  plan.delays_expired = true;
  PriorityQueue queue(plan);
  const Place delayed = Push(queue, 1, kStart);
  const Place expired = Push(queue, 2, kStart);
  Push(queue, 3);
  queue.Delay(delayed, base::kNever);
  queue[delayed].request->sink->Cancel();
  queue[expired].request->sink->Cancel();
  Apply(queue);
  EXPECT_EQ(left_, Left{3});
  EXPECT_EQ(dropped_, (Dropped{{2, DropReason::kCancelled}, {1, DropReason::kCancelled}}));
}

TEST_F(QueuePolicies, LooksNoFurtherThanTheRowsItIsTold) {
  const core::QueuePlan plan;
  PriorityQueue queue(plan);
  Push(queue, 1, kStart);
  Push(queue, 4);
  Push(queue, 5, kStart);
  Push(queue, 6);
  Push(queue, 7, kStart);
  Apply(queue, kStart, 8);
  EXPECT_EQ(left_, (Left{4, 6, 7}));
}

TEST(QueueTimeout, IsOnlyShortenedByARequest) {
  struct Row {
    int64_t default_ms;
    bool may_override;
    uint64_t request_us;
    int64_t expected_us;  // -1: none
  };
  for (const Row& row : {Row{0, true, 5, -1}, Row{0, false, 0, -1}, Row{2, false, 5, 2000},
                         Row{2, true, 0, 2000}, Row{2, true, 5, 5}, Row{2, true, 2000, 2000},
                         Row{2, true, 9'000'000'000'000'000'000u, 2000}}) {
    const core::QueuePolicy policy{.default_timeout = std::chrono::milliseconds(row.default_ms),
                                   .allow_timeout_override = row.may_override};
    const auto timeout = QueueTimeout(policy, row.request_us);
    EXPECT_EQ(timeout ? std::chrono::duration_cast<microseconds>(*timeout).count() : -1,
              row.expected_us);
  }
}

TEST(QueueTimeout, NeverOutlivesTheDeadline) {
  const core::QueuePolicy policy{.default_timeout = microseconds(10)};
  core::InferRequest request;
  EXPECT_EQ(ExpiresAt(policy, request, kStart), kStart + microseconds(10));
  EXPECT_EQ(ExpiresAt({}, request, kStart), base::kNever);
  request.deadline = kStart + microseconds(3);
  EXPECT_EQ(ExpiresAt(policy, request, kStart), request.deadline);
  EXPECT_EQ(ExpiresAt({}, request, kStart), request.deadline);
}

}  // namespace
}  // namespace serving::scheduler
