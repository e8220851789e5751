// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "testing/adding_backend.h"
#include "testing/sequence_harness.h"

namespace serving::model {
namespace {

using serving::testing::AddingBackend;
using serving::testing::Change;
using serving::testing::Changing;
using serving::testing::Closed;
using serving::testing::kEnd;
using serving::testing::kNone;
using serving::testing::kStart;
using serving::testing::SequenceCall;
using serving::testing::SequenceHarness;
using serving::testing::SequencePlan;
using serving::testing::Times;
using std::chrono::hours;
using std::chrono::milliseconds;

constexpr uint64_t A = 11, B = 12, C = 13, D = 14;
constexpr int32_t kPoison = AddingBackend::kPoison;

class SequenceChange : public ::testing::TestWithParam<bool> {
 protected:
  static core::ModelPlan Plan(uint32_t slots, int instances) {
    return Changing::Plan(GetParam(), slots, instances);
  }
};
INSTANTIATE_TEST_SUITE_P(Strategies, SequenceChange, ::testing::Values(true, false),
                         [](const auto& info) { return info.param ? "Direct" : "Oldest"; });

TEST_P(SequenceChange, AddsInstancesThatServeTheBacklog) {
  Changing test(Plan(1, 1));
  SequenceHarness& model = test.model;
  EXPECT_EQ(model.Send(A, kStart, 1).sum(), 1);
  const SequenceCall waits = model.Send(B, kStart, 5);
  const SequenceCall also = model.Send(C, kStart, 7);
  EXPECT_EQ(model->Statistics().queued, 2u);
  ASSERT_TRUE(test.Change(Plan(1, 2)).ok());
  EXPECT_EQ(waits.sum(), 5);
  EXPECT_EQ(test.Instances(), 2u);
  EXPECT_FALSE(also.sink->is_answered());
  EXPECT_EQ(model.Send(A, kNone, 2).sum(), 3);
  EXPECT_EQ(model.Send(B, kEnd, 5).sum(), 10);
  EXPECT_EQ(also.sum(), 7);
}

TEST_P(SequenceChange, AnInstanceThatLeavesKeepsItsSequences) {
  Changing test(Plan(1, 2));
  SequenceHarness& model = test.model;
  EXPECT_EQ(model.Send(A, kStart, 1).sum(), 1);
  EXPECT_EQ(model.Send(B, kStart, 2).sum(), 2);
  ASSERT_TRUE(test.Change(Plan(1, 1)).ok());  // waits for nobody
  EXPECT_EQ(test.Instances(), 1u);
  EXPECT_EQ(test.living(), 2);
  const SequenceCall waits = model.Send(C, kStart, 3);
  EXPECT_EQ(model.Send(B, kNone, 2).sum(), 4);
  const uint64_t executions = model->Statistics().execution_count;
  EXPECT_EQ(model.Send(B, kEnd, 2).sum(), 6);
  test.AwaitLiving(1);
  EXPECT_FALSE(waits.sink->is_answered());  // it has not got the slot that is gone
  EXPECT_EQ(model->Statistics().execution_count, executions + 1);
  EXPECT_EQ(model.Send(A, kEnd, 1).sum(), 2);
  EXPECT_EQ(waits.sum(), 3);
  EXPECT_EQ(model->Statistics().execution_count, executions + 3);
}

TEST_P(SequenceChange, AnInstanceThatLeavesEndsWithItsIdleSequences) {
  Changing test(Plan(1, 2));
  SequenceHarness& model = test.model;
  EXPECT_EQ(model.Send(A, kStart, 1).sum(), 1);
  EXPECT_EQ(model.Send(B, kStart, 2).sum(), 2);
  ASSERT_TRUE(test.Change(Plan(1, 1)).ok());
  core::ModelPlan hasty = Plan(1, 1);
  hasty.sequence->max_idle = milliseconds(1);
  ASSERT_TRUE(test.Change(hasty).ok());
  test.AwaitLiving(1);
}

TEST_P(SequenceChange, AnInstanceThatNobodyUsesGoesAtOnce) {
  Changing test(Plan(4, 4));
  EXPECT_EQ(test.model.Send(A, kStart, 1).sum(), 1);
  ASSERT_TRUE(test.Change(Plan(4, 1)).ok());
  test.AwaitLiving(1);
  EXPECT_EQ(test.model.Send(A, kEnd, 1).sum(), 2);
}

TEST_P(SequenceChange, AnInstanceThatLeavesMayComeBackWithItsSequences) {
  Changing test(Plan(1, 2));
  SequenceHarness& model = test.model;
  EXPECT_EQ(model.Send(A, kStart, 1).sum(), 1);
  EXPECT_EQ(model.Send(B, kStart, 2).sum(), 2);
  ASSERT_TRUE(test.Change(Plan(1, 1)).ok());
  const SequenceCall waits = model.Send(C, kStart, 3);
  ASSERT_TRUE(test.Change(Plan(1, 2)).ok());
  EXPECT_EQ(test.living(), 2);  // no third was built
  EXPECT_EQ(test.Instances(), 2u);
  EXPECT_EQ(model.Send(B, kEnd, 2).sum(), 4);
  EXPECT_EQ(waits.sum(), 3);
  ASSERT_TRUE(test.Change(Plan(1, 3)).ok());
  EXPECT_EQ(test.living(), 3);
}

TEST_P(SequenceChange, LeavesAllAsItWasWhenAnInstanceCannotBeMade) {
  Changing test(Plan(1, 1), {}, 2);
  SequenceHarness& model = test.model;
  EXPECT_EQ(model.Send(A, kStart, 1).sum(), 1);
  core::ModelPlan next = Plan(1, 3);
  next.sequence->max_idle = milliseconds(0);
  EXPECT_EQ(test.Change(next).message(), "no room for another instance");
  EXPECT_EQ(test.living(), 1);
  EXPECT_EQ(test.Instances(), 1u);
  EXPECT_EQ(model.Send(A, kNone, 1).sum(), 2);
}

TEST_P(SequenceChange, LeavesAllAsItWasWhenItIsDropped) {
  Changing test(Plan(1, 2));
  SequenceHarness& model = test.model;
  EXPECT_EQ(model.Send(A, kStart, 1).sum(), 1);
  EXPECT_EQ(model.Send(B, kStart, 1).sum(), 1);
  ASSERT_TRUE(test.Change(Plan(1, 1)).ok());
  {
    const auto change = model->PrepareChange(Plan(1, 3)).Take();
    EXPECT_EQ(test.living(), 3);
    EXPECT_EQ(model.Send(B, kEnd, 1).sum(), 2);
    // What the change would keep waits for it.
    EXPECT_EQ(model.Send(A, kNone, 1).sum(), 2);
    EXPECT_EQ(test.living(), 3);
  }
  test.AwaitLiving(1);
  EXPECT_EQ(test.Instances(), 1u);
}

TEST_P(SequenceChange, RefusesOtherChanges) {
  Changing test(Plan(2, 1));
  core::ModelPlan slots = Plan(2, 1);
  slots.sequence->slots = 3;
  core::ModelPlan strategy = Plan(2, 1);
  strategy.sequence->is_direct = !GetParam();
  core::ModelPlan none = Plan(2, 1);
  none.sequence.reset();
  for (const core::ModelPlan& plan : {slots, strategy, none}) {
    EXPECT_EQ(test.Change(plan).message(),
              "model 'm' has to be loaded anew for more than instances and limits");
  }
}

TEST_P(SequenceChange, CountsGoOnWhenAnInstanceIsGone) {
  Changing test(Plan(1, 2), {.first_wait = milliseconds(1)});
  SequenceHarness& model = test.model;
  EXPECT_EQ(model.Send(A, kStart, 1).sum(), 1);
  EXPECT_EQ(model.Send(B, kStart, kPoison).code(), base::StatusCode::kInternal);
  while (model->Statistics().rebuilds == 0) std::this_thread::yield();
  ASSERT_TRUE(test.Change(Plan(1, 1)).ok());
  test.AwaitLiving(1);
  const metrics::ModelStatistics statistics = model->Statistics();
  EXPECT_EQ(statistics.poisonings, 1u);
  EXPECT_EQ(statistics.rebuilds, 1u);
  EXPECT_EQ(statistics.received, 2u);
}

// Lost with the first poisoning.
TEST_P(SequenceChange, ServesAgainWhenInstancesTakeThePlaceOfLostOnes) {
  Changing test(Plan(1, 1), {.most_attempts = 0});
  SequenceHarness& model = test.model;
  EXPECT_EQ(model.Send(A, kStart, kPoison).code(), base::StatusCode::kInternal);
  EXPECT_EQ(model.Send(A, kStart, 1).code(), base::StatusCode::kUnavailable);
  ASSERT_TRUE(test.Change(Plan(1, 2)).ok());
  EXPECT_TRUE(model->CanServe());
  EXPECT_EQ(model.Send(A, kStart, 1).sum(), 1);
  ASSERT_TRUE(test.Change(Plan(1, 1)).ok());
  EXPECT_FALSE(model->CanServe());
  // The one that works leaves when its last sequence ends, and with it whatever waits for another.
  EXPECT_EQ(model.Send(A, kNone, 1).sum(), 2);
  const SequenceCall waits = model.Send(B, kStart, 1);
  EXPECT_EQ(model.Send(A, kEnd, 1).sum(), 3);
  EXPECT_EQ(waits.code(), base::StatusCode::kUnavailable);
  // And another may come in its place.
  ASSERT_TRUE(test.Change(Plan(1, 2)).ok());
  EXPECT_EQ(model.Send(B, kStart, 1).sum(), 1);
}

TEST_P(SequenceChange, TheNumberOfAPoisonedInstanceIsUsedAgain) {
  Changing test(Plan(1, 2), {.most_attempts = 0});
  SequenceHarness& model = test.model;
  EXPECT_EQ(model.Send(A, kStart, 1).sum(), 1);
  EXPECT_EQ(model.Send(B, kStart, kPoison).code(), base::StatusCode::kInternal);
  ASSERT_TRUE(test.Change(Plan(1, 1)).ok());
  test.AwaitLiving(1);
  ASSERT_TRUE(test.Change(Plan(1, 2)).ok());
  EXPECT_EQ(model.Send(C, kStart, 3).sum(), 3);
}

TEST_P(SequenceChange, AnInstanceThatWaitsToBeRebuiltMayLeave) {
  Changing test(Plan(1, 2), {.first_wait = hours(1), .longest_wait = hours(1)});
  SequenceHarness& model = test.model;
  EXPECT_EQ(model.Send(A, kStart, 1).sum(), 1);
  // Rebuilt at once, then not for an hour.
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(model.Send(B, kStart, kPoison).code(), base::StatusCode::kInternal);
    while (model->Statistics().poisonings != static_cast<uint64_t>(i) + 1 ||
           (i == 0 && model->Statistics().rebuilds == 0)) {
      std::this_thread::yield();
    }
  }
  const SequenceCall waits = model.Send(C, kStart, 3);
  ASSERT_TRUE(test.Change(Plan(1, 1)).ok());
  EXPECT_EQ(model.Send(A, kEnd, 1).sum(), 2);
  EXPECT_EQ(waits.sum(), 3);
  ASSERT_TRUE(test.Change(Plan(1, 2)).ok());
  EXPECT_EQ(model.Send(D, kStart, 4).sum(), 4);
}

// Every request runs three times, with its state in between.
TEST_P(SequenceChange, IterativeSequencesRunOn) {
  core::ModelPlan plan = SequencePlan(GetParam(), 1, 1);
  plan.sequence->is_iterative = true;
  plan.sequence->states.push_back(serving::testing::MakeState(100));
  plan.parameters["runs"] = "3";
  SequenceHarness model(Closed(Times(plan, 3)));
  std::vector<SequenceCall> calls;
  for (int i = 0; i < 9; ++i) calls.push_back(model.Send({}, kNone, 2));
  model.AwaitAtGate(3);
  for (const int count : {1, 2, 1, 4, 1}) {
    ASSERT_TRUE(Change(*model, Closed(Times(plan, count))).ok());
    model.Gate(R"({"action":"release"})");
  }
  model.Open();
  for (const SequenceCall& call : calls) EXPECT_EQ(call.sum(), 106);
}

TEST_P(SequenceChange, HoldsALimitOfBytesAgainstWhatWaitedBefore) {
  SequenceHarness model(Closed(SequencePlan(GetParam(), 1, 1)));
  const SequenceCall first = model.Send(A, kStart, 1);
  model.AwaitAtGate(1);
  const SequenceCall waits = model.Send(A, kNone, 2);
  const SequenceCall also = model.Send(B, kStart, 2);
  core::ModelPlan next = Closed(SequencePlan(GetParam(), 1, 1));
  next.queue.max_queue_bytes = 11;  // a request has 4
  ASSERT_TRUE(Change(*model, next).ok());
  EXPECT_EQ(model.Send(A, kNone, 3).code(), base::StatusCode::kUnavailable);
  next.queue.max_queue_bytes = 12;
  ASSERT_TRUE(Change(*model, next).ok());
  const SequenceCall fits = model.Send(A, kNone, 3);
  next.queue.max_queue_bytes = 0;
  next.queue.max_queue_size = 3;
  next.queue.full_status = base::StatusCode::kResourceExhausted;
  ASSERT_TRUE(Change(*model, next).ok());
  EXPECT_EQ(model.Send(A, kNone, 3).code(), base::StatusCode::kResourceExhausted);
  next.queue.max_queue_size = 4;
  ASSERT_TRUE(Change(*model, next).ok());
  const SequenceCall end = model.Send(A, kEnd, 4);
  model.Open();
  EXPECT_EQ(first.sum(), 1);
  EXPECT_EQ(waits.sum(), 3);
  EXPECT_EQ(fits.sum(), 6);
  EXPECT_EQ(end.sum(), 10);
  EXPECT_EQ(also.sum(), 2);
}

TEST_P(SequenceChange, AShorterIdleTimeEndsWhatIsIdle) {
  Changing test(Plan(1, 1));
  EXPECT_EQ(test.model.Send(A, kStart, 1).sum(), 1);
  const SequenceCall waits = test.model.Send(B, kStart, 2);
  core::ModelPlan next = Plan(1, 1);
  next.sequence->max_idle = milliseconds(1);
  ASSERT_TRUE(test.Change(next).ok());
  EXPECT_EQ(waits.sum(), 2);
}

TEST(SequenceChangeOfLimits, SendsWhatWaitsForAShareOfTheRows) {
  core::ModelPlan plan = Changing::Plan(true, 4, 1);
  plan.sequence->max_queue_delay = hours(1);
  plan.sequence->minimum_slot_utilization = 1;
  Changing test(plan);
  const SequenceCall waits = test.model.Send(A, kStart, 1);
  plan.sequence->minimum_slot_utilization = 0.5;
  ASSERT_TRUE(test.Change(plan).ok());
  EXPECT_FALSE(waits.sink->is_answered());
  EXPECT_EQ(test.model.Send(B, kStart, 2).sum(), 2);
  EXPECT_EQ(waits.sum(), 1);
  const SequenceCall late = test.model.Send(A, kNone, 1);
  plan.sequence->max_queue_delay = milliseconds(1);
  ASSERT_TRUE(test.Change(plan).ok());
  EXPECT_EQ(late.sum(), 2);
}

TEST(SequenceChangeOfLimits, SendsWhatWaitsForABatch) {
  core::ModelPlan plan = Changing::Plan(false, 4, 1);
  plan.batching->max_queue_delay = hours(1);
  plan.batching->preferred_batch_sizes = {4};
  Changing test(plan);
  const SequenceCall first = test.model.Send(A, kStart, 1);
  const SequenceCall second = test.model.Send(B, kStart, 2);
  plan.batching->preferred_batch_sizes = {3};
  ASSERT_TRUE(test.Change(plan).ok());
  EXPECT_FALSE(first.sink->is_answered());
  EXPECT_EQ(test.model.Send(C, kStart, 3).sum(), 3);
  EXPECT_EQ(first.sum() + second.sum(), 3);
  // Those that come later have the new limits too.
  plan.batching->max_queue_delay = milliseconds(0);
  plan.instance_count = 2;
  ASSERT_TRUE(test.Change(plan).ok());
  for (const uint64_t id : {D, D + 1, D + 2, D + 3})
    EXPECT_EQ(test.model.Send(id, kStart, 1).sum(), 1);
}

// Each sends sequences of its own until it is told to stop. Every answer must be right.
class Clients {
 public:
  Clients(SequenceHarness& model, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      threads_.emplace_back([this, &model, i] { Run(model, (i + 1) << 32); });
    }
  }
  ~Clients() { Stop(); }

  void AwaitSequences(uint64_t count) const {
    while (sequences_ < count) std::this_thread::yield();
  }
  void Stop() {
    is_over_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  uint64_t steps() const { return steps_; }

 private:
  void Run(SequenceHarness& model, uint64_t id) {
    while (!is_over_) {
      ++id;
      constexpr int kSteps = 5;
      std::vector<SequenceCall> calls;
      for (int i = 1; i <= kSteps; ++i) {
        calls.push_back(model.Send(id, i == 1 ? kStart : i == kSteps ? kEnd : kNone, i));
        if (id % 2 == 0) calls.back().sum();  // as a client that waits
      }
      int32_t sum = 0;
      for (int i = 1; i <= kSteps; ++i) EXPECT_EQ(calls[i - 1].sum(), sum += i);
      steps_ += kSteps;
      ++sequences_;
    }
  }

  std::atomic<bool> is_over_{false};
  std::atomic<uint64_t> steps_{0};
  std::atomic<uint64_t> sequences_{0};
  std::vector<std::thread> threads_;
};

TEST_P(SequenceChange, LosesNoSequenceUnderLoad) {
  Changing test(Plan(2, 1));
  Clients clients(test.model, 6);
  uint64_t sequences = 0;
  int count = 1;
  for (int i = 0; i < 60; ++i) {
    if (i % 4 == 0) clients.AwaitSequences(sequences += 5);
    count = i % 7 == 0 ? 1 : (count * 5 + i) % 4 + 1;
    core::ModelPlan next = Plan(2, count);
    next.queue.max_queue_bytes = i % 3 == 0 ? 1000 : 0;
    next.queue.max_queue_size = 1000 + i;
    next.sequence->max_idle = hours(1 + i);
    if (next.batching) next.batching->max_queue_delay = std::chrono::microseconds(i);
    ASSERT_TRUE(test.Change(next).ok());
    ASSERT_EQ(test.Instances(), static_cast<size_t>(count));
    test.model->Trim();
  }
  clients.AwaitSequences(sequences + 5);
  clients.Stop();
  test.AwaitLiving(count);
  const metrics::ModelStatistics statistics = test.model->Statistics();
  EXPECT_EQ(statistics.received, clients.steps());
  EXPECT_EQ(statistics.success.count, clients.steps());
  EXPECT_EQ(statistics.pending, 0u);
  EXPECT_EQ(statistics.queued, 0u);
  uint64_t batched = 0;
  for (const auto& [rows, batch] : statistics.batches) batched += batch.compute_infer.count;
  EXPECT_EQ(batched, statistics.execution_count);
}

TEST_P(SequenceChange, EndsWithTheModel) {
  for (int i = 0; i < 20; ++i) {
    Changing test(Plan(2, 2));
    std::atomic<bool> is_over{false};
    std::thread changer([&] {
      for (int count = 1; !is_over; count = count % 4 + 1) {
        EXPECT_TRUE(test.Change(Plan(2, count)).ok());
      }
    });
    std::vector<SequenceCall> calls;
    for (uint64_t id = 1; id <= 10; ++id) {
      calls.push_back(test.model.Send(id, kStart, 1));
      calls.push_back(test.model.Send(id, id % 2 == 0 ? kEnd : kNone, 2));
    }
    test.model->Stop();
    is_over = true;
    changer.join();
    for (size_t j = 0; j < calls.size(); ++j) EXPECT_EQ(calls[j].sum(), j % 2 == 0 ? 1 : 3);
  }
}

TEST_P(SequenceChange, EndsWhileAnInstanceLeaves) {
  Changing test(Plan(1, 2));
  EXPECT_EQ(test.model.Send(A, kStart, 1).sum(), 1);
  EXPECT_EQ(test.model.Send(B, kStart, 1).sum(), 1);
  ASSERT_TRUE(test.Change(Plan(1, 1)).ok());
  const SequenceCall waits = test.model.Send(C, kStart, 3);
  const SequenceCall goes_on = test.model.Send(B, kNone, 3);
  test.model->Stop();
  EXPECT_EQ(waits.sum(), 3);
  EXPECT_EQ(goes_on.sum(), 4);
}

}  // namespace
}  // namespace serving::model
