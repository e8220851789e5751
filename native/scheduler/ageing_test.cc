// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/ageing.h"

#include <vector>

#include "gtest/gtest.h"

namespace serving::scheduler {
namespace {

using std::chrono::milliseconds;

constexpr base::Instant kStart{std::chrono::hours(1)};
constexpr milliseconds kAgeing(10);
constexpr uint64_t kInteractive = 1;
constexpr uint64_t kStandard = 2;
constexpr uint64_t kBackground = 3;

class SilentSink final : public core::ResponseSink {
 public:
  core::InferResponse* NewResponse() override { return nullptr; }
  base::BufferRef AllocateOutput(uint32_t, size_t) override { return nullptr; }
  base::Waker* Send(core::InferResponse*) override { return nullptr; }
};

class Ageing : public ::testing::Test {
 protected:
  static core::QueuePlan Classes() {
    core::QueuePlan plan;
    plan.priority_levels = kClasses;
    plan.default_priority_level = kStandard;
    return plan;
  }
  // One that is known by its rows comes to its class at a time.
  Place Push(uint64_t level, int64_t rows, milliseconds at) {
    Age(queue_, kAgeing, kStart + at);
    QueuedRequest queued{.rows = rows, .enqueued = kStart + at};
    queued.request = core::RequestPtr(new core::InferRequest);
    queued.request->priority = level;
    queued.request->sink = base::MakeRef<SilentSink>();
    return queue_.Push(level, std::move(queued));
  }
  std::vector<int64_t> Order() const {
    std::vector<int64_t> order;
    for (Place place = queue_.First(); place != kNoPlace; place = queue_.After(place)) {
      order.push_back(queue_[place].rows);
    }
    return order;
  }

  core::QueuePlan plan_ = Classes();
  PriorityQueue queue_{plan_};
};

using Rows = std::vector<int64_t>;

TEST_F(Ageing, LetsAClassGoFirstWhileItIsYoung) {
  Push(kBackground, 1, milliseconds(0));
  Push(kStandard, 2, milliseconds(1));
  Push(kInteractive, 3, milliseconds(9));
  EXPECT_EQ(Order(), (Rows{3, 2, 1}));
}

TEST_F(Ageing, RaisesWhoHasWaited) {
  Push(kStandard, 1, milliseconds(0));
  Push(kInteractive, 2, milliseconds(9));
  Push(kInteractive, 3, milliseconds(10));
  EXPECT_EQ(Order(), (Rows{2, 1, 3}));
}

TEST_F(Ageing, RaisesTheLastClassStepByStep) {
  Push(kBackground, 1, milliseconds(0));
  Push(kStandard, 2, milliseconds(9));
  Push(kStandard, 3, milliseconds(10));
  EXPECT_EQ(Order(), (Rows{2, 1, 3}));
  Push(kInteractive, 4, milliseconds(19));
  EXPECT_EQ(Order(), (Rows{2, 4, 1, 3}));
  Push(kInteractive, 5, milliseconds(20));
  EXPECT_EQ(Order(), (Rows{2, 4, 1, 3, 5}));
}

TEST_F(Ageing, MakesUpForALongSilence) {
  Push(kBackground, 1, milliseconds(0));
  Push(kStandard, 2, milliseconds(5));
  Push(kInteractive, 3, milliseconds(500));
  EXPECT_EQ(Order(), (Rows{2, 1, 3}));
}

TEST_F(Ageing, KeepsPlacesAndCounts) {
  const Place place = Push(kBackground, 1, milliseconds(0));
  Push(kInteractive, 2, milliseconds(100));
  EXPECT_EQ(queue_[place].rows, 1);
  EXPECT_EQ(queue_.size(), 2u);
  EXPECT_EQ(queue_.CountUpTo(1), 2u);
  queue_.Remove(place);
  EXPECT_EQ(Order(), Rows{2});
}

TEST(Classes, HaveNames) {
  EXPECT_EQ(ParseClass("interactive"), kInteractive);
  EXPECT_EQ(ParseClass("standard"), kStandard);
  EXPECT_EQ(ParseClass("background"), kBackground);
  EXPECT_EQ(ParseClass("Interactive"), std::nullopt);
  EXPECT_EQ(ParseClass(""), std::nullopt);
}

TEST(Classes, LeaveRoomToThoseBefore) {
  EXPECT_TRUE(HasRoomFor(kInteractive, 99, 100));
  EXPECT_FALSE(HasRoomFor(kInteractive, 100, 100));
  EXPECT_TRUE(HasRoomFor(kStandard, 74, 100));
  EXPECT_FALSE(HasRoomFor(kStandard, 75, 100));
  EXPECT_TRUE(HasRoomFor(kBackground, 49, 100));
  EXPECT_FALSE(HasRoomFor(kBackground, 50, 100));
  EXPECT_TRUE(HasRoomFor(kBackground, 0, 1));
  EXPECT_TRUE(HasRoomFor(kBackground, SIZE_MAX, 0));
  EXPECT_TRUE(HasRoomFor(kInteractive, INT64_MAX - 1, INT64_MAX));
}

}  // namespace
}  // namespace serving::scheduler
