// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "testing/sequence_harness.h"

namespace serving::model {
namespace {

using serving::testing::Closed;
using serving::testing::kEnd;
using serving::testing::kNone;
using serving::testing::kStart;
using serving::testing::SequenceCall;
using serving::testing::SequenceHarness;
using serving::testing::SequencePlan;

constexpr uint64_t A = 11, B = 12, C = 13, D = 14;

TEST(SequenceLimits, LimitsWhatWaits) {
  core::ModelPlan plan = SequencePlan(false, 1);
  plan.queue.max_queue_size = 1;
  SequenceHarness model(Closed(std::move(plan)));
  const SequenceCall first = model.Send(A, kStart, 1);
  const SequenceCall second = model.Send(B, kStart, 1);
  EXPECT_EQ(model.Send(C, kStart, 1).error(),
            "[request id: <id_unknown>] Exceeds maximum queue size");
  model.Open();
  EXPECT_EQ(first.sum(), 1);
}

TEST(SequenceLimits, LimitsTheBytesThatWait) {
  core::ModelPlan plan = SequencePlan(false, 2);
  plan.max_batch_size = 1;
  plan.queue.max_queue_bytes = 32;  // a request has 4, and at its instance 20 of controls
  SequenceHarness model(Closed(std::move(plan)));
  std::vector<SequenceCall> calls;
  calls.push_back(model.Send(A, kStart, 1));
  model.AwaitAtGate(1);
  calls.push_back(model.Send(A, kNone, 2));   // behind the one that runs
  calls.push_back(model.Send(B, kStart, 3));  // in the queue of the instance
  calls.push_back(model.Send(C, kStart, 4));  // has no slot
  const std::string full =
      "[request id: <id_unknown>] Exceeds maximum queue bytes: inputs of 32 bytes wait for model "
      "'m', this request has 4 and 32 may wait; ";
  EXPECT_EQ(model.Send(D, kStart, 5).error().substr(0, full.size()), full);
  EXPECT_EQ(model.Send(A, kNone, 5).error().substr(0, full.size()), full);
  EXPECT_TRUE(model->RemoveQueued(calls[3].sink.get(), base::Cancelled("gone"),
                                  metrics::FailureReason::kCanceled));
  calls.push_back(model.Send(D, kStart, 6));
  EXPECT_EQ(model.Send(A, kNone, 7).code(), base::StatusCode::kUnavailable);
  const SequenceCall end = [&] {
    model.Open();
    EXPECT_EQ(calls[1].sum(), 3);
    EXPECT_EQ(calls[2].sum(), 3);
    return model.Send(A, kEnd, 10);
  }();
  EXPECT_EQ(end.sum(), 13);  // the sequence lost nothing but what was refused
  EXPECT_EQ(calls[4].sum(), 6);
  EXPECT_EQ(model->Statistics().failures[static_cast<size_t>(metrics::FailureReason::kRejected)],
            3u);
}

TEST(SequenceLimits, TakesOneRequestOfAnySize) {
  core::ModelPlan plan = SequencePlan(true, 2);
  plan.queue.max_queue_bytes = 1;
  SequenceHarness model(std::move(plan));
  EXPECT_EQ(model.Send(A, kStart, 1).sum(), 1);
  EXPECT_EQ(model.Send(A, kNone, 2).sum(), 3);
}

TEST(SequenceLimits, TellsTheBytesThatWait) {
  metrics::MetricsOptions metrics;
  metrics.extended = true;
  SequenceHarness model(Closed(SequencePlan(true, 4)), metrics);
  const SequenceCall first = model.Send(A, kStart, 1);
  model.AwaitAtGate(1);
  EXPECT_EQ(model->Statistics().queue_state.bytes, 0u);
  const SequenceCall second = model.Send(A, kNone, 1);
  const SequenceCall third = model.Send(B, kStart, 1);
  EXPECT_EQ(model->Statistics().queue_state.bytes, 8u);
  model.Open();
  EXPECT_EQ(second.sum(), 2);
  EXPECT_EQ(third.sum(), 1);
  EXPECT_EQ(model->Statistics().queue_state.bytes, 0u);
}

}  // namespace
}  // namespace serving::model
