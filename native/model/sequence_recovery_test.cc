// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <chrono>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "testing/sequence_harness.h"

namespace serving::model {
namespace {

using serving::testing::Closed;
using serving::testing::FindBackend;
using serving::testing::kEnd;
using serving::testing::kNone;
using serving::testing::kStart;
using serving::testing::MakeState;
using serving::testing::SequenceCall;
using serving::testing::SequenceHarness;
using serving::testing::SequencePlan;

constexpr uint64_t A = 11, B = 12, C = 13, D = 14;
constexpr int32_t kPoison = -2;  // what makes the backend `sequence` poison its instance

const std::string kStateIsLost =
    "the sequence has ended: the instance of model 'm' that served it was lost, and its state "
    "with it";

bool SaysStateIsLost(const SequenceCall& call) {
  EXPECT_EQ(call.code(), base::StatusCode::kUnavailable) << call.error();
  return call.error().ends_with(kStateIsLost);
}

TEST(SequenceRecovery, EndsTheSequencesWhoseStateIsLost) {
  for (const bool is_direct : {true, false}) {
    SequenceHarness model(SequencePlan(is_direct, 4));
    EXPECT_EQ(model.Send(A, kStart, 1).sum(), 1);
    EXPECT_EQ(model.Send(B, kStart, 2).sum(), 2);
    EXPECT_EQ(model.Send(C, kStart, kPoison).error(), "sequence: told to poison its instance");
    for (const uint64_t id : {A, B, C}) {
      EXPECT_EQ(model.Send(id, kNone, 5).error(),
                "inference request for sequence " + std::to_string(id) +
                    " to model 'm' must specify the START flag on the first request of the "
                    "sequence");
      // After the rebuild.
      EXPECT_EQ(model.Send(id, kStart, 7).sum(), 7);
    }
    EXPECT_EQ(model->Statistics().rebuilds, 1u);
    EXPECT_EQ(model->Statistics().pending, 0u);
  }
}

TEST(SequenceRecovery, AnswersEveryStepOnce) {
  for (const bool is_direct : {true, false}) {
    core::ModelPlan plan = SequencePlan(is_direct, 3);
    plan.max_batch_size = is_direct ? 3 : 1;
    SequenceHarness model(Closed(std::move(plan)));
    const SequenceCall poison = model.Send(A, kStart, kPoison);
    model.AwaitAtGate(1);
    const SequenceCall behind = model.Send(A, kNone, 1);
    const SequenceCall fresh = model.Send(B, kStart, 2);  // oldest: in the queue of the instance
    const SequenceCall second = model.Send(B, kNone, 3);
    const SequenceCall again = model.Send(C, kStart, 4);
    const SequenceCall waits = model.Send(D, kStart, 5);  // has no slot
    model.Open();
    EXPECT_EQ(poison.error(), "sequence: told to poison its instance");
    EXPECT_TRUE(SaysStateIsLost(behind));
    if (is_direct) {
      // Nothing of them had run.
      EXPECT_EQ(fresh.sum(), 2);
      EXPECT_EQ(second.sum(), 5);
      EXPECT_EQ(again.sum(), 4);
    } else {
      EXPECT_TRUE(SaysStateIsLost(fresh));
      EXPECT_TRUE(SaysStateIsLost(second));
      EXPECT_TRUE(SaysStateIsLost(again));
    }
    EXPECT_EQ(waits.sum(), 5);
    const metrics::ModelStatistics statistics = model->Statistics();
    EXPECT_EQ(statistics.pending, 0u);
    EXPECT_EQ(statistics.received, 6u);
    EXPECT_EQ(statistics.success.count + statistics.fail.count, 6u);
  }
}

TEST(SequenceRecovery, StatesOfTheServerOutliveTheInstance) {
  for (const bool is_direct : {true, false}) {
    core::ModelPlan plan = SequencePlan(is_direct, 4);
    plan.sequence->states.push_back(MakeState(5));
    SequenceHarness model(std::move(plan));
    EXPECT_EQ(model.Send(A, kStart, 1).sum(), 6);
    EXPECT_EQ(model.Send(B, kStart, kPoison).code(), base::StatusCode::kInternal);
    EXPECT_EQ(model.Send(A, kNone, 1).sum(), 7);
    EXPECT_EQ(model->Statistics().rebuilds, 1u);
  }
}

TEST(SequenceRecovery, WhatWaitsForARebuildMayLeave) {
  for (const bool is_direct : {true, false}) {
    core::ModelPlan plan = SequencePlan(is_direct, 4);
    plan.sequence->states.push_back(MakeState());
    SequenceHarness model(std::move(plan), {.budget = serving::testing::Unlimited(),
                                            .recovery = {.first_wait = std::chrono::hours(1),
                                                         .longest_wait = std::chrono::hours(1)}});
    EXPECT_EQ(model.Send(A, kStart, kPoison).code(), base::StatusCode::kInternal);
    // Rebuilt at once, then not for an hour.
    EXPECT_EQ(model.Send(A, kNone, kPoison).code(), base::StatusCode::kInternal);
    const uint64_t executions = model->Statistics().execution_count;
    const SequenceCall goes_on = model.Send(A, kNone, 1);
    const SequenceCall begins = model.Send(B, kStart, 1);
    EXPECT_EQ(model->Statistics().queued, 2u);
    for (const SequenceCall& call : {goes_on, begins}) {
      call.sink->Cancel();
      EXPECT_TRUE(model->RemoveQueued(call.sink.get(), base::Cancelled("left"),
                                      metrics::FailureReason::kCanceled));
      EXPECT_EQ(call.code(), base::StatusCode::kCancelled);
    }
    EXPECT_EQ(model->Statistics().queued, 0u);
    EXPECT_EQ(model->Statistics().execution_count, executions);
  }
}

// Lost with the first poisoning.
ModelOptions NoAttempts() {
  return {.budget = serving::testing::Unlimited(), .recovery = {.most_attempts = 0}};
}

TEST(SequenceRecovery, AnotherInstanceServesMeanwhile) {
  core::ModelPlan plan = SequencePlan(true, 2, 2);
  plan.instance_count = 2;
  SequenceHarness model(std::move(plan), NoAttempts());
  EXPECT_EQ(model.Send(A, kStart, kPoison).code(), base::StatusCode::kInternal);
  for (const uint64_t id : {A, B}) EXPECT_EQ(model.Send(id, kStart, 1).sum(), 1);
  // Both slots that are left are taken.
  const SequenceCall waits = model.Send(C, kStart, 3);
  EXPECT_EQ(model.Send(A, kEnd, 1).sum(), 2);
  EXPECT_EQ(waits.sum(), 3);
}

TEST(SequenceRecovery, RefusesEverythingWhenNoInstanceIsLeft) {
  core::ModelPlan plan = SequencePlan(false, 1, 1);
  SequenceHarness model(Closed(std::move(plan)), NoAttempts());
  const SequenceCall poison = model.Send(A, kStart, kPoison);
  model.AwaitAtGate(1);
  const SequenceCall waits = model.Send(B, kStart, 1);
  model.Open();
  EXPECT_EQ(poison.code(), base::StatusCode::kInternal);
  EXPECT_EQ(waits.error(), "model 'm' has no instance that works: sequence: told to");
  EXPECT_TRUE(model.Send(C, kStart, 1)
                  .error()
                  .ends_with("model 'm' has no instance that works: sequence: told to"));
  EXPECT_FALSE(model->CanServe());
  EXPECT_EQ(model->Statistics().pending, 0u);
}

}  // namespace
}  // namespace serving::model
