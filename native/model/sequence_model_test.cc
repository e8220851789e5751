// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/sequence_model.h"

#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "testing/sequence_harness.h"

namespace serving::model {
namespace {

using serving::testing::Closed;
using serving::testing::kEnd;
using serving::testing::kNone;
using serving::testing::kStart;
using serving::testing::MakeState;
using serving::testing::RecordingSink;
using serving::testing::RequestBuilder;
using serving::testing::SequenceCall;
using serving::testing::SequenceHarness;
using serving::testing::SequencePlan;
using serving::testing::Tensor;
using tensor::DataType;

constexpr uint64_t A = 11, B = 12, C = 13, D = 14;

TEST(SequenceModel, TellsWhereInTheSequenceARequestIs) {
  for (const bool is_direct : {true, false}) {
    SequenceHarness model(SequencePlan(is_direct, 4));
    EXPECT_EQ(model.Send(A, kStart, 7).log(),
              R"({"batch":1,"rows":[{"IN":7,"START":1,"END":0,"READY":1,"CORRID":11}]})");
    EXPECT_EQ(model.Send(A, kNone, 8).log(),
              R"({"batch":2,"rows":[{"IN":8,"START":0,"END":0,"READY":1,"CORRID":11}]})");
    EXPECT_EQ(model.Send(A, kEnd, 9).log(),
              R"({"batch":3,"rows":[{"IN":9,"START":0,"END":1,"READY":1,"CORRID":11}]})");
    EXPECT_EQ(model.Send(A, kStart | kEnd, 1).log(),
              R"({"batch":4,"rows":[{"IN":1,"START":1,"END":1,"READY":1,"CORRID":11}]})");
  }
}

TEST(SequenceModel, AnswersInOrderOneAtATime) {
  for (const bool is_direct : {true, false}) {
    SequenceHarness model(Closed(SequencePlan(is_direct, 4)));
    std::vector<SequenceCall> calls;
    for (int i = 1; i <= 20; ++i) calls.push_back(model.Send(A, i == 1 ? kStart : kNone, i));
    model.AwaitAtGate(1);
    model.Open();
    for (int i = 1; i <= 20; ++i)
      EXPECT_EQ(calls[static_cast<size_t>(i - 1)].sum(), i * (i + 1) / 2);
    EXPECT_EQ(model->Statistics().execution_count, 20u);
  }
}

TEST(SequenceModel, DirectKeepsEverySequenceInItsRow) {
  SequenceHarness model(Closed(SequencePlan(true, 4)));
  const SequenceCall first = model.Send(A, kStart, 1);
  model.AwaitAtGate(1);
  const SequenceCall second = model.Send(B, kStart, 2);
  const SequenceCall third = model.Send(C, kStart, 3);
  model.Gate(R"({"action":"release"})");
  EXPECT_EQ(first.sum(), 1);
  model.AwaitAtGate(1);
  model.Open();
  // Nothing is behind the last row that has a request.
  EXPECT_EQ(second.log(), R"({"batch":2,"rows":[{"START":0,"END":0,"READY":0,"CORRID":0},)"
                          R"({"IN":2,"START":1,"END":0,"READY":1,"CORRID":12},)"
                          R"({"IN":3,"START":1,"END":0,"READY":1,"CORRID":13}]})");
  EXPECT_EQ(third.sum(), 3);
  EXPECT_EQ(model.Send(B, kEnd, 10).sum(), 12);
  // The row of B is the next sequence's.
  EXPECT_EQ(model.Send(D, kStart, 5).log(),
            R"({"batch":4,"rows":[{"START":0,"END":0,"READY":0,"CORRID":0},)"
            R"({"IN":5,"START":1,"END":0,"READY":1,"CORRID":14}]})");
  const metrics::ModelStatistics statistics = model->Statistics();
  EXPECT_EQ(statistics.inference_count, 5u);
  EXPECT_EQ(statistics.success.count, 5u);
  EXPECT_EQ(statistics.execution_count, 4u);
  EXPECT_EQ(statistics.batches.at(3).compute_infer.count, 1u);
}

TEST(SequenceModel, OldestBatchesTheNextOfEverySequence) {
  SequenceHarness model(Closed(SequencePlan(false, 3)));
  const SequenceCall first = model.Send(A, kStart, 1);
  model.AwaitAtGate(1);
  std::vector<SequenceCall> calls;
  for (const uint64_t id : {B, C, D}) calls.push_back(model.Send(id, kStart, 1));
  calls.push_back(model.Send(A, kNone, 5));
  EXPECT_EQ(model->Statistics().queued, 4u);
  EXPECT_EQ(model->Statistics().pending, 5u);
  model.Gate(R"({"action":"release"})");
  EXPECT_EQ(first.sum(), 1);
  model.AwaitAtGate(1);
  EXPECT_EQ(model->Statistics().queued, 1u);  // D has no slot
  model.Gate(R"({"action":"release"})");
  EXPECT_EQ(calls[3].log(),
            R"({"batch":2,"rows":[{"IN":1,"START":1,"END":0,"READY":1,"CORRID":12},)"
            R"({"IN":1,"START":1,"END":0,"READY":1,"CORRID":13},)"
            R"({"IN":5,"START":0,"END":0,"READY":1,"CORRID":11}]})");
  EXPECT_FALSE(calls[2].sink->is_answered());
  const SequenceCall end = model.Send(B, kEnd, 1);
  model.Open();
  EXPECT_EQ(end.sum(), 2);
  EXPECT_EQ(calls[2].sum(), 1);
}

TEST(SequenceModel, RefusesInTritonsWords) {
  SequenceHarness model(SequencePlan(true, 4));
  EXPECT_EQ(model.Send({}, kStart, 1).error(),
            "inference request to model 'm' must specify a non-zero or non-empty correlation ID");
  EXPECT_EQ(model.Send(std::string_view(""), kStart, 1).error(),
            "inference request to model 'm' must specify a non-zero or non-empty correlation ID");
  EXPECT_EQ(model.Send(uint64_t{77}, kNone, 1).error(),
            "inference request for sequence 77 to model 'm' must specify the START flag on the "
            "first request of the sequence");
  EXPECT_EQ(model.Send(std::string_view("x"), kStart, 1).code(),
            base::StatusCode::kInvalidArgument);
  const metrics::ModelStatistics statistics = model->Statistics();
  EXPECT_EQ(statistics.received, 0u);
  EXPECT_EQ(statistics.fail.count, 0u);
}

TEST(SequenceModel, ALeavingClientEndsItsSequence) {
  for (const bool is_direct : {true, false}) {
    SequenceHarness model(Closed(SequencePlan(is_direct, 4)));
    const SequenceCall first = model.Send(A, kStart, 1);
    model.AwaitAtGate(1);
    const SequenceCall second = model.Send(A, kNone, 2);
    const SequenceCall third = model.Send(A, kNone, 3);
    second.sink->Cancel();
    EXPECT_TRUE(model->RemoveQueued(second.sink.get(), base::Cancelled("Request is cancelled"),
                                    metrics::FailureReason::kCanceled));
    EXPECT_EQ(second.error(), "[request id: <id_unknown>] Request is cancelled");
    EXPECT_EQ(third.error(), "sequence 11 of model 'm' has ended: a request of it was not run");
    EXPECT_EQ(model.Send(A, kNone, 4).code(), base::StatusCode::kInvalidArgument);
    model.Open();
    EXPECT_EQ(first.sum(), 1);
    EXPECT_EQ(model.Send(A, kStart, 4).sum(), 4);
    const metrics::ModelStatistics statistics = model->Statistics();
    EXPECT_EQ(statistics.failures[static_cast<size_t>(metrics::FailureReason::kCanceled)], 2u);
    EXPECT_EQ(statistics.received, statistics.success.count + statistics.fail.count);
  }
}

TEST(SequenceModel, ARequestIsTakenOutOfItsInstancesQueue) {
  SequenceHarness model(Closed(SequencePlan(false, 4)));
  const SequenceCall first = model.Send(A, kStart, 1);
  model.AwaitAtGate(1);
  const SequenceCall second = model.Send(B, kStart, 2);
  const SequenceCall third = model.Send(B, kNone, 3);
  EXPECT_TRUE(model->RemoveQueued(second.sink.get(), base::Cancelled("gone"),
                                  metrics::FailureReason::kCanceled));
  EXPECT_EQ(second.code(), base::StatusCode::kCancelled);
  EXPECT_EQ(third.code(), base::StatusCode::kCancelled);
  EXPECT_FALSE(model->RemoveQueued(first.sink.get(), base::Cancelled("gone"),
                                   metrics::FailureReason::kCanceled));
  model.Open();
  EXPECT_EQ(first.sum(), 1);
  EXPECT_EQ(model->Statistics().pending, 0u);
}

TEST(SequenceModel, AFailureLeavesTheSequenceAsItWas) {
  core::ModelPlan plan = SequencePlan(false, 4);
  plan.sequence->states.push_back(MakeState(5));
  SequenceHarness model(std::move(plan));
  EXPECT_EQ(model.Send(A, kStart, 1).sum(), 6);
  EXPECT_EQ(model.Send(A, kNone, -1).error(), "sequence: told to fail");
  EXPECT_EQ(model.Send(A, kNone, 2).sum(), 8);
  EXPECT_EQ(model->Statistics().failures[static_cast<size_t>(metrics::FailureReason::kBackend)],
            1u);
}

TEST(SequenceModel, HandsStatesOnAndHidesThem) {
  for (const bool is_direct : {true, false}) {
    core::ModelPlan plan = SequencePlan(is_direct, 4);
    plan.sequence->states.push_back(MakeState(5));
    SequenceHarness model(std::move(plan));
    EXPECT_EQ(model.Send(A, kStart, 1).sum(), 6);
    EXPECT_EQ(model.Send(B, kStart, 10).sum(), 15);
    const SequenceCall call = model.Send(A, kNone, 1);
    EXPECT_EQ(call.sum(), 7);
    EXPECT_EQ(call.sink->Wait().outputs.size(), 2u);
    EXPECT_EQ(model.Send(B, kEnd, 10).sum(), 25);
    EXPECT_EQ(model.Send(A, kStart, 1).sum(), 6);
  }
}

TEST(SequenceModel, AStateMayBeAnOutputAsWell) {
  core::ModelPlan plan = SequencePlan(true, 4);
  plan.outputs.push_back(Tensor("STATE_OUT", DataType::kInt32, {1}));
  plan.sequence->states.push_back(MakeState());
  SequenceHarness model(std::move(plan));
  EXPECT_EQ(model.Send(A, kStart, 1).sink->Wait().outputs.size(), 3u);
  RequestBuilder builder;
  builder.Rows(1).Input(0, DataType::kInt32, {1, 1}, serving::testing::Int(4)).Want(0);
  builder.request().correlation_id = A;
  RequestChain chain;
  const base::Ref<RecordingSink> sink = builder.sink();
  chain.Append(builder.Take());
  model->Submit(chain, nullptr);
  EXPECT_EQ(sink->Wait().outputs.size(), 1u);
  EXPECT_EQ(model.Send(A, kNone, 1).sum(), 6);
}

TEST(SequenceModel, MemoryOfStatesGoesWithTheSequence) {
  auto budget = std::make_shared<base::MemoryBudget>(size_t{1} << 30);
  core::ModelPlan plan = SequencePlan(false, 64);
  plan.sequence->states.push_back(MakeState());
  plan.sequence->max_idle = std::chrono::milliseconds(1);
  {
    SequenceHarness model(std::move(plan), {}, budget);
    for (uint64_t id = 1; id <= 200; ++id) model.Send(id, kStart, 1).sum();
    // Every one is idle before the next may have begun; the last is ended by the watch.
    while (model.Send(uint64_t{200}, kNone, 1).code() == base::StatusCode::kOk)
      std::this_thread::yield();
  }
  EXPECT_EQ(budget->used(), 0u);
}

TEST(SequenceModel, IdleSequencesLoseTheirSlots) {
  core::ModelPlan plan = SequencePlan(false, 1);
  plan.sequence->max_idle = std::chrono::milliseconds(5);
  SequenceHarness model(std::move(plan));
  EXPECT_EQ(model.Send(A, kStart, 1).sum(), 1);
  EXPECT_EQ(model.Send(B, kStart, 2).sum(), 2);
  EXPECT_EQ(model.Send(A, kNone, 1).code(), base::StatusCode::kInvalidArgument);
}

TEST(SequenceModel, TheBacklogMayRunOutOfTime) {
  SequenceHarness model(SequencePlan(false, 1));
  EXPECT_EQ(model.Send(A, kStart, 1).sum(), 1);
  const SequenceCall late = model.Send(B, kStart, 1, 1000);
  const SequenceCall also = model.Send(B, kNone, 1);
  EXPECT_EQ(late.error(), "timeout of the corresponding sequence has been expired");
  EXPECT_EQ(also.code(), base::StatusCode::kUnavailable);
  EXPECT_EQ(model->Statistics().failures[static_cast<size_t>(metrics::FailureReason::kRejected)],
            2u);
}

TEST(SequenceModel, DirectWaitsForAShareOfItsRows) {
  core::ModelPlan plan = SequencePlan(true, 4);
  plan.sequence->max_queue_delay = std::chrono::hours(1);
  plan.sequence->minimum_slot_utilization = 0.75;
  SequenceHarness model(std::move(plan));
  const SequenceCall first = model.Send(A, kStart, 1);
  const SequenceCall second = model.Send(B, kStart, 2);
  EXPECT_FALSE(first.sink->is_answered());
  EXPECT_EQ(model.Send(C, kStart, 3).sum(), 3);
  EXPECT_EQ(first.sum() + second.sum(), 3);
  EXPECT_EQ(model->Statistics().execution_count, 1u);
}

TEST(SequenceModel, DirectWaitsNoLongerThanItsDelay) {
  core::ModelPlan plan = SequencePlan(true, 4);
  plan.sequence->max_queue_delay = std::chrono::milliseconds(5);
  plan.sequence->minimum_slot_utilization = 1;
  SequenceHarness model(std::move(plan));
  EXPECT_EQ(model.Send(A, kStart, 1).sum(), 1);
}

TEST(SequenceModel, AnEndingModelRunsWhatWaits) {
  for (const bool is_direct : {true, false}) {
    std::vector<SequenceCall> calls;
    {
      core::ModelPlan plan = SequencePlan(is_direct, 2, 2);
      plan.instance_count = 2;
      plan.sequence->max_queue_delay = std::chrono::hours(1);
      plan.sequence->minimum_slot_utilization = 1;
      SequenceHarness model(Closed(std::move(plan)));
      for (uint64_t id = 1; id <= 20; ++id) {
        calls.push_back(model.Send(id, kStart, 1));
        calls.push_back(model.Send(id, kNone, 2));
      }
    }
    for (size_t i = 0; i < calls.size(); ++i) EXPECT_EQ(calls[i].sum(), i % 2 == 0 ? 1 : 3);
  }
}

TEST(SequenceModel, TextIdsAreTold) {
  core::ModelPlan plan = SequencePlan(true, 4);
  plan.sequence->controls[3].data_type = DataType::kBytes;
  SequenceHarness model(std::move(plan));
  EXPECT_EQ(model.Send(std::string_view("seventy"), kStart, 7).log(),
            R"({"batch":1,"rows":[{"IN":7,"START":1,"END":0,"READY":1,"CORRID":"seventy"}]})");
  EXPECT_EQ(model.Send(uint64_t{5}, kStart, 7).log(),
            R"({"batch":2,"rows":[{"START":0,"END":0,"READY":0,"CORRID":""},)"
            R"({"IN":7,"START":1,"END":0,"READY":1,"CORRID":"5"}]})");
}

TEST(SequenceModel, AnIterativeRequestRunsAgainWithItsState) {
  for (const bool is_direct : {true, false}) {
    core::ModelPlan plan = SequencePlan(is_direct, 4);
    plan.sequence->is_iterative = true;
    plan.sequence->states.push_back(MakeState(100));
    plan.parameters["runs"] = "4";
    SequenceHarness model(std::move(plan));
    std::vector<SequenceCall> calls;
    for (int i = 0; i < 10; ++i) calls.push_back(model.Send({}, kNone, 3));
    for (const SequenceCall& call : calls) EXPECT_EQ(call.sum(), 112);
    EXPECT_EQ(model.Send(A, kStart, 1).sum(), 104);
    EXPECT_EQ(model.Send(A, kNone, 1).code(), base::StatusCode::kInvalidArgument);
    const metrics::ModelStatistics statistics = model->Statistics();
    EXPECT_EQ(statistics.success.count, 11u);
    EXPECT_EQ(statistics.pending, 0u);
    EXPECT_GE(statistics.execution_count, 8u);
  }
}

TEST(SequenceModel, OnlyIterativeRequestsRunAgain) {
  core::ModelPlan plan = SequencePlan(false, 4);
  plan.parameters["runs"] = "2";
  SequenceHarness model(std::move(plan));
  EXPECT_EQ(model.Send(A, kStart, 1).error(),
            "requests run again in models with iterative sequences only");
}

TEST(SequenceModel, ARequestThatRunsAgainMayBeCancelled) {
  core::ModelPlan plan = SequencePlan(false, 4);
  plan.sequence->is_iterative = true;
  plan.parameters["runs"] = "1000000000";
  SequenceHarness model(Closed(std::move(plan)));
  const SequenceCall call = model.Send({}, kNone, 1);
  model.AwaitAtGate(1);
  call.sink->Cancel();
  model.Open();
  EXPECT_EQ(call.code(), base::StatusCode::kCancelled);
}

TEST(SequenceModel, MeasuresTheTimeInTheBacklog) {
  metrics::MetricsOptions metrics;
  metrics.extended = true;
  SequenceHarness model(Closed(SequencePlan(false, 1)), metrics);
  const SequenceCall first = model.Send(A, kStart | kEnd, 1);
  const SequenceCall second = model.Send(B, kStart | kEnd, 1);
  model.AwaitAtGate(1);
  const auto before = std::chrono::steady_clock::now();
  model.Gate(R"({"action":"release"})");
  first.sum();
  model.AwaitAtGate(1);
  model.Open();
  second.sum();
  const core::StageTimes times = second.sink->Wait().times;
  EXPECT_LT(times.queued, before);
  EXPECT_GT(times.compute_start, before);
  const metrics::ModelStatistics statistics = model->Statistics();
  EXPECT_GE(statistics.queue.ns,
            static_cast<uint64_t>((times.compute_start - times.queued).count()));
  const auto& counts = statistics.histograms[static_cast<size_t>(metrics::Stage::kQueue)].counts();
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), uint64_t{0}), 2u);
}

}  // namespace
}  // namespace serving::model
