// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/load_control.h"

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "backend/copy_inputs.h"
#include "gtest/gtest.h"
#include "model/model.h"
#include "testing/model_harness.h"
#include "testing/scripted_instance.h"

namespace serving::model {
namespace {

using serving::testing::MakePlan;
using serving::testing::ModelHarness;
using serving::testing::Pending;
using serving::testing::ScriptedBackend;
using std::chrono::hours;
using std::chrono::milliseconds;

constexpr int kBytesOfARow = 4;

core::ModelPlan ClosedGate() {
  core::ModelPlan plan = MakePlan("gate");
  plan.parameters = {{"closed", "true"}};
  return plan;
}

// Submits one that is to be answered until `time` from now.
Pending EnqueueUntil(ModelHarness& model, base::Nanoseconds time) {
  auto [request, pending] = model.Make();
  request->deadline = std::chrono::steady_clock::now() + time;
  RequestChain chain;
  chain.Append(std::move(request));
  model->Submit(std::move(chain), nullptr);
  return pending;
}

TEST(QueueBytes, TakesTheLimitAndNoMore) {
  constexpr int kLimit = 25;
  core::ModelPlan plan = ClosedGate();
  plan.queue.max_queue_bytes = kLimit * kBytesOfARow;
  ModelHarness model(plan);
  const Pending running = model.EnqueueOne();
  model.AwaitAtGate(1);
  const auto flood = model.Enqueue(10 * kLimit);
  // Refusals do not wait for the gate.
  const auto refused = std::ranges::count_if(
      flood, [](const Pending& pending) { return pending.sink->is_answered(); });
  EXPECT_EQ(refused, 9 * kLimit);
  EXPECT_EQ(model.Statistics().queued, static_cast<uint64_t>(kLimit));
  EXPECT_EQ(flood.back().message(),
            "[request id: <id_unknown>] Exceeds maximum queue bytes: inputs of 100 bytes wait for "
            "model 'm', this request has 4 and 100 may wait; send it again later, or raise "
            "'max_queue_bytes' in the model's parameters or --max-queue-bytes");
  model.Control(R"({"action":"open"})");
  for (int i = 0; i < kLimit; ++i) EXPECT_TRUE(flood[static_cast<size_t>(i)].is_echoed());
  const auto statistics = model.Statistics();
  EXPECT_EQ(statistics.success.count, static_cast<uint64_t>(kLimit) + 1);
  EXPECT_EQ(statistics.failures[static_cast<size_t>(metrics::FailureReason::kRejected)],
            static_cast<uint64_t>(9 * kLimit));
  EXPECT_EQ(statistics.pending, 0u);
}

TEST(QueueBytes, AreFreedByTheCancelled) {
  core::ModelPlan plan = ClosedGate();
  plan.queue.max_queue_bytes = kBytesOfARow;
  ModelHarness model(plan);
  model.EnqueueOne();
  model.AwaitAtGate(1);
  const Pending left = model.EnqueueOne();
  left.sink->Cancel();
  const Pending next = model.EnqueueOne();
  EXPECT_FALSE(next.sink->is_answered());
  model.Control(R"({"action":"open"})");
  EXPECT_TRUE(next.is_echoed());
}

// Executions of this model take what the test says, the last one until it is let go.
class PredictedWait : public ::testing::Test {
 protected:
  void Load(bool predicts) {
    core::ModelPlan plan = MakePlan("scripted", 0);
    plan.queue.predicts_wait = predicts;
    plan.queue.max_queue_bytes = 1 << 20;
    model_.emplace(plan, std::make_unique<ScriptedBackend>([](backend::Batch& batch) {
                     std::this_thread::sleep_for(milliseconds(2));
                     batch.Complete(backend::CopyInputs("", batch));
                   }));
  }
  std::optional<ModelHarness> model_;
};

TEST_F(PredictedWait, RefusesWhatWouldExpireInTheQueue) {
  Load(true);
  for (const Pending& pending : model_->Enqueue(10)) pending.Wait();
  const auto flood = model_->Enqueue(200);
  // At least 2 ms for each of those before it, of which some have run by now.
  const Pending late = EnqueueUntil(*model_, milliseconds(5));
  EXPECT_TRUE(late.sink->is_answered());
  EXPECT_NE(late.message().find("Request would be too late: model 'm' can serve it in "),
            std::string::npos);
  const Pending in_time = EnqueueUntil(*model_, hours(1));
  EXPECT_TRUE(in_time.is_echoed());
  for (const Pending& pending : flood) EXPECT_TRUE(pending.is_echoed());
}

TEST_F(PredictedWait, LetsItExpireWhereItIsOff) {
  Load(false);
  for (const Pending& pending : model_->Enqueue(10)) pending.Wait();
  const auto flood = model_->Enqueue(200);
  const Pending late = EnqueueUntil(*model_, milliseconds(5));
  EXPECT_EQ(late.message(), "[request id: <id_unknown>] Deadline Exceeded");
}

TEST_F(PredictedWait, LetsInWhereNothingIsKnown) {
  Load(true);
  const auto flood = model_->Enqueue(3);
  const Pending late = EnqueueUntil(*model_, hours(1));
  EXPECT_TRUE(late.is_echoed());
}

core::ModelPlan WithTarget(base::Nanoseconds target) {
  core::ModelPlan plan = MakePlan("identity");
  plan.batching.emplace();
  plan.latency_target = {.target = target};
  return plan;
}

TEST(ModelLatencyTarget, LearnsFromItsExecutions) {
  ModelHarness model(WithTarget(hours(1)));
  EXPECT_TRUE(model->ViewLoad()->costs.empty());
  EXPECT_EQ(model->ViewLoad()->max_rows, 8);
  for (int i = 0; i < 20; ++i) {
    for (const Pending& pending : model.Enqueue(3, 2)) EXPECT_TRUE(pending.is_echoed());
  }
  const auto view = model->ViewLoad();
  EXPECT_EQ(view->target, hours(1));
  EXPECT_FALSE(view->costs.empty());
  EXPECT_GT(view->rows_per_second, 0);
  EXPECT_FALSE(view->reason.empty());
  EXPECT_EQ(model.Statistics().inference_count, 120u);
}

TEST(ModelLatencyTarget, LimitsBatchesToWhatIsInTime) {
  // No two runs fit, and single rows keep up: after some, no batch has more than one row.
  core::ModelPlan plan = WithTarget(base::Nanoseconds(1));
  plan.backend = "gate";
  ModelHarness model(plan);
  // A choice stands for a while, so the newest execution need not be in it.
  for (int i = 0; i < 1'000'000 && model->ViewLoad()->max_rows != 1; ++i) model.EnqueueOne().Wait();
  EXPECT_EQ(model->ViewLoad()->max_rows, 1);
}

TEST(ModelLatencyTarget, IsToldToBeOff) {
  core::ModelPlan plan = MakePlan("identity");
  plan.batching.emplace();
  plan.batching->max_queue_delay = milliseconds(3);
  plan.batching->preferred_batch_sizes = {2, 4};
  const auto view = ModelHarness(plan)->ViewLoad();
  EXPECT_FALSE(view->target);
  EXPECT_EQ(view->wait, milliseconds(3));
  EXPECT_EQ(view->wanted_rows, (std::vector<int64_t>{2, 4}));
}

TEST(LoadControl, IsNotMadeForAPlainModel) {
  EXPECT_EQ(LoadControl::Make(MakePlan("identity"), 8, 1), nullptr);
}

}  // namespace
}  // namespace serving::model
