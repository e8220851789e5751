// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/recovery.h"

#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "testing/model_harness.h"

namespace serving::model {
namespace {

using metrics::InstanceCondition;
using serving::testing::MakePlan;
using serving::testing::ModelHarness;
using serving::testing::Pending;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr base::Instant kStart{seconds(1'000)};

TEST(Recovery, RebuildsAtOnceThenWaitsTwiceAsLongEachTime) {
  Recovery recovery({.first_wait = milliseconds(100), .longest_wait = milliseconds(300)});
  EXPECT_TRUE(recovery.is_serving());
  recovery.Poison("broken", kStart);
  EXPECT_EQ(recovery.next_attempt(), kStart);
  for (const int wait : {100, 200, 300, 300}) {
    recovery.BeginRebuild();
    EXPECT_EQ(recovery.state().condition, InstanceCondition::kRebuilding);
    recovery.Fail("no luck", kStart);
    EXPECT_EQ(recovery.state().condition, InstanceCondition::kPoisoned);
    EXPECT_EQ(recovery.next_attempt(), kStart + milliseconds(wait));
  }
  EXPECT_EQ(recovery.state().reason, "no luck");
  EXPECT_EQ(recovery.state().failed_attempts, 4);
}

TEST(Recovery, GivesUpAfterItsAttempts) {
  Recovery recovery({.most_attempts = 3});
  recovery.Poison("broken", kStart);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(recovery.is_lost());
    recovery.Fail("no luck", kStart);
  }
  EXPECT_TRUE(recovery.is_lost());
}

TEST(Recovery, CountsRebuildsOfAnInstanceThatEveryRequestKills) {
  Recovery recovery({.most_attempts = 3, .trusted_after = seconds(60)});
  base::Instant now = kStart;
  for (int i = 0; i < 3; ++i) {
    recovery.Poison("broken", now);
    EXPECT_FALSE(recovery.is_lost());
    recovery.Rebuilt(now);
    now += seconds(59);
  }
  recovery.Poison("broken", now);
  EXPECT_TRUE(recovery.is_lost());
}

TEST(Recovery, ForgetsAttemptsOfAnInstanceThatServedForLong) {
  Recovery recovery({.most_attempts = 2, .trusted_after = seconds(60)});
  base::Instant now = kStart;
  for (int i = 0; i < 20; ++i) {
    recovery.Poison("broken", now);
    EXPECT_EQ(recovery.next_attempt(), now);
    recovery.Rebuilt(now);
    EXPECT_TRUE(recovery.is_serving());
    now += seconds(60);
  }
  EXPECT_EQ(recovery.state().poisonings, 20u);
}

// ---- a model

core::ModelPlan PoisonPlan(int instances = 1) {
  core::ModelPlan plan = MakePlan("poison");
  plan.instance_count = instances;
  return plan;
}

RecoveryOptions Quick(int attempts) {
  return {
      .first_wait = milliseconds(1), .longest_wait = milliseconds(1), .most_attempts = attempts};
}

TEST(PoisonedInstance, IsRebuiltAndOnlyItsBatchFails) {
  ModelHarness model(PoisonPlan());
  model.Control(R"({"action":"poison","message":"device lost"})");
  const auto pending = model.Enqueue(50);
  int failed = 0;
  for (const Pending& one : pending) {
    if (one.is_echoed()) continue;
    ++failed;
    EXPECT_EQ(one.message(), "device lost");
  }
  EXPECT_EQ(failed, 1);
  const auto statistics = model.Statistics();
  EXPECT_EQ(statistics.poisonings, 1u);
  EXPECT_EQ(statistics.rebuilds, 1u);
  EXPECT_EQ(statistics.instances.at(0).condition, InstanceCondition::kServing);
  EXPECT_EQ(statistics.instances.at(0).poisonings, 1u);
  EXPECT_TRUE(model->CanServe());
}

TEST(PoisonedInstance, LeavesTheWorkToTheOthers) {
  ModelHarness model(PoisonPlan(3), nullptr, true, {}, Quick(1));
  model.Control(R"({"action":"break_rebuilds","count":2})");
  model.Control(R"({"action":"poison","count":2})");
  int failed = 0;
  for (const Pending& one : model.Enqueue(100)) failed += one.is_echoed() ? 0 : 1;
  EXPECT_EQ(failed, 2);
  EXPECT_TRUE(model->CanServe());
}

TEST(PoisonedInstance, IsLostAfterItsAttemptsAndItsModelRefuses) {
  ModelHarness model(PoisonPlan(), nullptr, true, {}, Quick(3));
  model.Control(R"({"action":"break_rebuilds","count":3})");
  model.Control(R"({"action":"poison"})");
  const auto pending = model.Enqueue(5);
  EXPECT_FALSE(pending[0].Wait().status.ok());
  for (size_t i = 1; i < pending.size(); ++i) {
    EXPECT_EQ(pending[i].Wait().status.code(), base::StatusCode::kUnavailable);
    EXPECT_EQ(pending[i].message(),
              "[request id: <id_unknown>] model 'm' has no instance that works: a rebuild fails as "
              "it was "
              "told");
  }
  const Pending later = model.EnqueueOne();
  EXPECT_EQ(later.Wait().status.code(), base::StatusCode::kUnavailable);
  EXPECT_FALSE(model->CanServe());
  const auto statistics = model.Statistics();
  EXPECT_EQ(statistics.instances.at(0).condition, InstanceCondition::kLost);
  EXPECT_EQ(statistics.instances.at(0).failed_attempts, 3);
  EXPECT_EQ(statistics.pending, 0u);
}

TEST(PoisonedInstance, ThatWaitsToBeRebuiltDoesNotHoldUpTheEnd) {
  std::vector<Pending> pending;
  {
    ModelHarness model(PoisonPlan(), nullptr, true, {}, {.first_wait = std::chrono::hours(1)});
    model.Control(R"({"action":"break_rebuilds"})");
    model.Control(R"({"action":"poison"})");
    pending = model.Enqueue(3);
    EXPECT_FALSE(pending[0].Wait().status.ok());
    while (model.Statistics().instances.at(0).failed_attempts == 0) std::this_thread::yield();
    EXPECT_FALSE(model->CanServe());
  }
  for (const Pending& one : pending) EXPECT_FALSE(one.Wait().status.ok());
}

TEST(PoisonedInstance, TellsWhoListens) {
  std::atomic<int> told{0};
  ModelHarness model(PoisonPlan(), nullptr, true, {}, {}, [&told] { ++told; });
  model.Control(R"({"action":"poison"})");
  EXPECT_FALSE(model.EnqueueOne().is_echoed());
  EXPECT_TRUE(model.EnqueueOne().is_echoed());
  while (told < 2) std::this_thread::yield();  // serves no longer, serves again
}

}  // namespace
}  // namespace serving::model
