// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/sequences.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace serving::scheduler {
namespace {

using std::chrono::milliseconds;
using Refusal = Sequences::Refusal;

enum Flags { kNone = 0, kStart = 1, kEnd = 2 };

struct SequencesTest : ::testing::Test {
  SequenceRules rules{.instances = 1, .slots = 2, .max_idle = milliseconds(10)};
  std::unique_ptr<Sequences> made;
  base::Instant now{std::chrono::hours(1)};
  std::vector<SequenceIndex> over;

  Sequences& sequences() {
    if (!made) {
      made = std::make_unique<Sequences>(rules);
      made->when_over = [this](SequenceIndex index) { over.push_back(index); };
    }
    return *made;
  }
  core::RequestPtr Make(core::CorrelationId id, int flags, uint64_t number) {
    core::RequestPtr request(new core::InferRequest);
    request->correlation_id = id;
    request->sequence_start = (flags & kStart) != 0;
    request->sequence_end = (flags & kEnd) != 0;
    request->priority = number;
    return request;
  }
  SequenceIndex Add(core::CorrelationId id, int flags, uint64_t number = 0,
                    uint64_t timeout_us = 0) {
    core::RequestPtr request = Make(id, flags, number);
    request->timeout_us = timeout_us;
    const auto added = sequences().Add(request, now);
    EXPECT_EQ(added.refusal, Refusal::kNone);
    return added.sequence;
  }
  Refusal Refused(core::CorrelationId id, int flags = kNone) {
    core::RequestPtr request = Make(id, flags, 0);
    const auto added = sequences().Add(request, now);
    EXPECT_EQ(request != nullptr, added.refusal != Refusal::kNone);
    return added.refusal;
  }
  uint64_t Take(SequenceIndex index) { return sequences().Take(index)->priority; }
  void Finish(SequenceIndex index) { sequences().Finish(index, now); }
  static size_t Count(core::RequestChain chain) {
    size_t count = 0;
    for (; !chain.empty(); ++count) chain.TakeFirst();
    return count;
  }
};

TEST_F(SequencesTest, RefusesWhatHasNoIdOrDoesNotStart) {
  EXPECT_EQ(Refused({}), Refusal::kNoCorrelationId);
  EXPECT_EQ(Refused(uint64_t{0}, kStart), Refusal::kNoCorrelationId);
  EXPECT_EQ(Refused(std::string_view(""), kStart), Refusal::kNoCorrelationId);
  EXPECT_EQ(Refused(uint64_t{7}), Refusal::kMustStart);
  EXPECT_EQ(Refused(uint64_t{7}, kEnd), Refusal::kMustStart);
  EXPECT_EQ(sequences().waiting(), 0u);
}

TEST_F(SequencesTest, ANumberAndItsTextAreTwoSequences) {
  const SequenceIndex number = Add(uint64_t{5}, kStart);
  EXPECT_NE(Add(std::string_view("5"), kStart), number);
  EXPECT_EQ(Add(uint64_t{5}, kNone), number);
}

TEST_F(SequencesTest, CountsTheBytesThatWait) {
  rules.counts_bytes = true;
  const auto add = [this](uint64_t id, int flags, size_t bytes) {
    core::RequestPtr request = Make(id, flags, 0);
    request->AddInput().byte_size = bytes;
    return sequences().Add(request, now).sequence;
  };
  const SequenceIndex one = add(1, kStart, 10);
  add(1, kNone, 200);
  const SequenceIndex two = add(2, kStart, 3000);
  EXPECT_EQ(sequences().waiting_bytes(), 3210u);
  core::RequestPtr taken = sequences().Take(one);
  EXPECT_EQ(sequences().waiting_bytes(), 3200u);
  sequences().Return(one, std::move(taken));
  EXPECT_EQ(sequences().waiting_bytes(), 3210u);
  EXPECT_EQ(Count(sequences().End(one)), 2u);
  EXPECT_EQ(sequences().waiting_bytes(), 3000u);
  sequences().Take(two);
  EXPECT_EQ(sequences().waiting_bytes(), 0u);
}

TEST_F(SequencesTest, CountsWhatWaitedBeforeItWasToldTo) {
  core::RequestPtr request = Make(uint64_t{1}, kStart, 0);
  request->AddInput().byte_size = 10;
  const SequenceIndex one = sequences().Add(request, now).sequence;
  EXPECT_EQ(sequences().waiting_bytes(), 0u);
  sequences().SetCountsBytes(true);
  EXPECT_EQ(sequences().waiting_bytes(), 10u);
  core::RequestPtr taken = sequences().Take(one);
  EXPECT_EQ(sequences().waiting_bytes(), 0u);
  sequences().SetCountsBytes(false);
  sequences().Return(one, std::move(taken));
  EXPECT_EQ(sequences().waiting_bytes(), 0u);
}

TEST_F(SequencesTest, AnAddedInstanceServesTheBacklog) {
  rules.slots = 1;
  Add(uint64_t{1}, kStart);
  const SequenceIndex two = Add(uint64_t{2}, kStart, 0, 5);
  const SequenceIndex three = Add(uint64_t{3}, kStart);
  Add(uint64_t{4}, kStart);
  EXPECT_EQ(sequences().backlog(), 3u);
  sequences().SetInstances(3);
  EXPECT_EQ(sequences().backlog(), 1u);
  EXPECT_EQ(sequences().PlaceOf(two).instance, 1u);
  EXPECT_EQ(sequences().PlaceOf(three).instance, 2u);
  EXPECT_EQ(sequences().NextExpiry(), base::kNever);  // it has a slot
}

TEST_F(SequencesTest, AnInstanceThatLeavesKeepsItsSequences) {
  rules.instances = 2;
  const SequenceIndex one = Add(uint64_t{1}, kStart);
  const SequenceIndex two = Add(uint64_t{2}, kStart);
  EXPECT_EQ(sequences().PlaceOf(two).instance, 1u);
  sequences().SetInstances(1);
  EXPECT_EQ(sequences().ActiveAt(1), 1u);
  const SequenceIndex three = Add(uint64_t{3}, kStart);
  EXPECT_EQ(sequences().PlaceOf(three).instance, 0u);
  const SequenceIndex four = Add(uint64_t{4}, kStart);
  EXPECT_EQ(sequences().backlog(), 1u);
  EXPECT_EQ(Add(uint64_t{2}, kEnd), two);
  for (int i = 0; i < 2; ++i) {
    Take(two);
    Finish(two);
  }
  EXPECT_EQ(over, std::vector{two});
  EXPECT_EQ(sequences().ActiveAt(1), 0u);
  EXPECT_EQ(sequences().backlog(), 1u);  // nobody is given the slot
  Take(one);
  Add(uint64_t{1}, kEnd);
  Finish(one);
  Take(one);
  Finish(one);
  EXPECT_EQ(sequences().PlaceOf(four).instance, 0u);
  EXPECT_EQ(sequences().backlog(), 0u);
}

TEST_F(SequencesTest, AnInstanceThatComesBackOffersEachSlotOnce) {
  rules.instances = 2;
  for (uint64_t id = 1; id <= 4; ++id) Add(id, kStart);
  sequences().SetInstances(1);
  Add(uint64_t{5}, kStart);
  sequences().SetInstances(2);
  EXPECT_EQ(sequences().backlog(), 1u);  // they are taken
  sequences().SetInstances(1);
  const SequenceIndex leaving = sequences().At({.instance = 1, .slot = 0});
  Count(sequences().End(leaving));
  EXPECT_EQ(sequences().backlog(), 1u);
  sequences().SetInstances(2);
  EXPECT_EQ(sequences().backlog(), 0u);
  EXPECT_EQ(sequences().ActiveAt(1), 2u);
}

TEST_F(SequencesTest, AnInstanceMayBeParkedAndLeave) {
  rules.instances = 2;
  rules.slots = 1;
  sequences().Park(1);
  sequences().SetInstances(1);
  sequences().Unpark(1);
  Add(uint64_t{1}, kStart);
  Add(uint64_t{2}, kStart);
  EXPECT_EQ(sequences().backlog(), 1u);
  sequences().Park(1);
  sequences().SetInstances(2);
  EXPECT_EQ(sequences().backlog(), 1u);
  sequences().Unpark(1);
  EXPECT_EQ(sequences().backlog(), 0u);
}

TEST_F(SequencesTest, AShorterIdleTimeIsThatOfIdleSequencesToo) {
  const SequenceIndex one = Add(uint64_t{1}, kStart);
  Take(one);
  Finish(one);
  sequences().SetMaxIdle(milliseconds(3));
  EXPECT_EQ(sequences().NextExpiry(), now + milliseconds(3));
  sequences().Expire(now + milliseconds(3));
  EXPECT_EQ(over, std::vector{one});
}

TEST_F(SequencesTest, AParkedInstanceGetsNoSequences) {
  rules.instances = 2;
  rules.slots = 1;
  const SequenceIndex one = Add(uint64_t{1}, kStart);
  EXPECT_EQ(sequences().PlaceOf(one).instance, 0u);
  sequences().Park(1);
  const SequenceIndex two = Add(uint64_t{2}, kStart);
  EXPECT_EQ(sequences().backlog(), 1u);
  // What has a slot goes on.
  sequences().Park(0);
  EXPECT_EQ(sequences().FirstReady(), one);
  Take(one);
  Finish(one);
  sequences().End(one);
  EXPECT_EQ(sequences().backlog(), 1u);  // nobody is given the slot
  sequences().Unpark(0);
  EXPECT_EQ(sequences().FirstReady(), two);
  EXPECT_EQ(sequences().PlaceOf(two).instance, 0u);
  const SequenceIndex three = Add(uint64_t{3}, kStart);
  EXPECT_EQ(sequences().backlog(), 1u);
  sequences().Unpark(1);
  sequences().Unpark(1);
  EXPECT_EQ(sequences().backlog(), 0u);
  EXPECT_EQ(sequences().PlaceOf(three).instance, 1u);
  EXPECT_EQ(Count(sequences().EndAll()), 2u);
  EXPECT_EQ(sequences().active(), 0u);
}

TEST_F(SequencesTest, OneRequestOfASequenceRunsAtATime) {
  const SequenceIndex one = Add(uint64_t{1}, kStart, 1);
  Add(uint64_t{1}, kNone, 2);
  EXPECT_EQ(sequences().FirstReady(), one);
  EXPECT_EQ(Take(one), 1u);
  EXPECT_EQ(sequences().FirstReady(), kNoSequence);
  EXPECT_EQ(sequences().Next(one), nullptr);
  Finish(one);
  EXPECT_EQ(Take(one), 2u);
}

TEST_F(SequencesTest, TheEndGivesTheSlotToWhoWaitsFirst) {
  const SequenceIndex one = Add(uint64_t{1}, kStart);
  Add(uint64_t{2}, kStart);
  const SequenceIndex three = Add(uint64_t{3}, kStart, 3);
  Add(uint64_t{4}, kStart);
  EXPECT_EQ(sequences().backlog(), 2u);
  EXPECT_EQ(sequences().active(), 2u);
  Add(uint64_t{1}, kEnd);
  Take(one);
  Finish(one);
  EXPECT_EQ(sequences().backlog(), 2u);
  Take(one);
  Finish(one);
  EXPECT_EQ(over, std::vector{one});
  EXPECT_EQ(sequences().PlaceOf(three).slot, 0u);
  EXPECT_EQ(sequences().At({.instance = 0, .slot = 0}), three);
  EXPECT_EQ(sequences().backlog(), 1u);
}

TEST_F(SequencesTest, AnIdIsFreeOnceItsEndIsQueued) {
  const SequenceIndex one = Add(uint64_t{1}, kStart | kEnd);
  EXPECT_EQ(Refused(uint64_t{1}), Refusal::kMustStart);
  EXPECT_NE(Add(uint64_t{1}, kStart), one);
}

TEST_F(SequencesTest, ASecondStartGoesOnInTheSlot) {
  const SequenceIndex one = Add(uint64_t{1}, kStart);
  EXPECT_EQ(Add(uint64_t{1}, kStart), one);
  EXPECT_EQ(sequences().active(), 1u);
}

TEST_F(SequencesTest, SlotsAreTakenFromTheLowestOverAllInstances) {
  rules.instances = 2;
  const auto place = [&](uint64_t id) { return sequences().PlaceOf(Add(id, kStart)); };
  EXPECT_EQ(place(1).slot, 0u);
  const SequencePlace second = place(2);
  EXPECT_EQ(second.instance, 1u);
  EXPECT_EQ(second.slot, 0u);
  EXPECT_EQ(place(3).slot, 1u);
  EXPECT_EQ(place(4).slot, 1u);
  Add(uint64_t{2}, kEnd);
  const SequenceIndex two = sequences().At(second);
  for (int i = 0; i < 2; ++i) {
    Take(two);
    Finish(two);
  }
  EXPECT_EQ(sequences().At(second), kNoSequence);
  EXPECT_EQ(sequences().PlaceOf(Add(uint64_t{5}, kStart)).instance, 1u);
}

TEST_F(SequencesTest, OnlyWhoDoesNothingIsIdle) {
  const SequenceIndex one = Add(uint64_t{1}, kStart);
  EXPECT_EQ(sequences().NextExpiry(), base::kNever);
  Take(one);
  now += milliseconds(100);
  EXPECT_EQ(Count(sequences().Expire(now)), 0u);
  EXPECT_TRUE(over.empty());
  Finish(one);
  EXPECT_EQ(sequences().NextExpiry(), now + milliseconds(10));
  now += milliseconds(10);
  sequences().Expire(now);
  EXPECT_EQ(over, std::vector{one});
  EXPECT_EQ(Refused(uint64_t{1}), Refusal::kMustStart);
}

TEST_F(SequencesTest, WhoIsOutOfTimeInTheBacklogEndsAsAWhole) {
  Add(uint64_t{1}, kStart);
  Add(uint64_t{2}, kStart);
  Add(uint64_t{3}, kStart, 0, 5000);
  Add(uint64_t{3}, kNone, 0, 1000);
  Add(uint64_t{4}, kStart);
  EXPECT_EQ(sequences().NextExpiry(), now + milliseconds(1));
  now += milliseconds(1);
  EXPECT_EQ(Count(sequences().Expire(now)), 2u);
  EXPECT_EQ(sequences().backlog(), 1u);
  EXPECT_EQ(sequences().waiting(), 3u);
  EXPECT_EQ(sequences().NextExpiry(), base::kNever);
  EXPECT_EQ(Refused(uint64_t{3}), Refusal::kMustStart);
}

TEST_F(SequencesTest, ASlotIsNotTakenFromWhoGotItInTime) {
  const SequenceIndex one = Add(uint64_t{1}, kStart | kEnd);
  Add(uint64_t{2}, kStart);
  const SequenceIndex three = Add(uint64_t{3}, kStart, 3, 1000);
  Take(one);
  Finish(one);
  now += milliseconds(2);
  EXPECT_EQ(Count(sequences().Expire(now)), 0u);
  EXPECT_EQ(Take(three), 3u);
}

TEST_F(SequencesTest, WhoLosesARequestEndsWhenWhatRunsIsDone) {
  const SequenceIndex one = Add(uint64_t{1}, kStart);
  Add(uint64_t{1}, kNone);
  Add(uint64_t{1}, kNone);
  Take(one);
  EXPECT_EQ(Count(sequences().End(one)), 2u);
  EXPECT_TRUE(over.empty());
  EXPECT_EQ(Refused(uint64_t{1}), Refusal::kMustStart);
  Finish(one);
  EXPECT_EQ(over, std::vector{one});
  EXPECT_EQ(sequences().waiting(), 0u);
}

TEST_F(SequencesTest, WhatIsReturnedRunsBeforeTheOthers) {
  rules.is_iterative = true;
  const SequenceIndex one = Add({}, kStart, 1);
  core::RequestPtr request = sequences().Take(one);
  sequences().Return(one, std::move(request));
  EXPECT_EQ(sequences().waiting(), 1u);
  EXPECT_EQ(Take(one), 1u);
  Finish(one);
  EXPECT_EQ(over, std::vector{one});
  EXPECT_EQ(Refused(uint64_t{4}), Refusal::kMustStart);
}

TEST_F(SequencesTest, WhenItIsClosedTheBacklogStillRuns) {
  const SequenceIndex one = Add(uint64_t{1}, kStart);
  const SequenceIndex two = Add(uint64_t{2}, kStart);
  const SequenceIndex three = Add(uint64_t{3}, kStart, 3);
  Take(one);
  Finish(one);
  sequences().Close();
  EXPECT_EQ(Take(three), 3u);
  Take(two);
  Finish(two);
  Finish(three);
  EXPECT_EQ(sequences().active(), 0u);
  EXPECT_EQ(over.size(), 3u);
}

TEST_F(SequencesTest, NumbersAreUsedAgain) {
  const SequenceIndex one = Add(uint64_t{1}, kStart | kEnd);
  Take(one);
  Finish(one);
  EXPECT_EQ(Add(uint64_t{9}, kStart), one);
}

}  // namespace
}  // namespace serving::scheduler
