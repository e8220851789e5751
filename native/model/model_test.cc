// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/model.h"

#include <atomic>
#include <chrono>
#include <cstring>
#include <future>
#include <mutex>
#include <semaphore>
#include <thread>

#include "backend/copy_inputs.h"
#include "gtest/gtest.h"
#include "testing/model_harness.h"
#include "testing/scripted_instance.h"

namespace serving::model {
namespace {

using backend::Batch;
using serving::testing::FindBackend;
using serving::testing::MakePlan;
using serving::testing::ModelHarness;
using serving::testing::Pack;
using serving::testing::Pending;
using serving::testing::RequestBuilder;
using serving::testing::ScriptedBackend;
using std::chrono::microseconds;
using std::chrono::milliseconds;

uint64_t Failures(const metrics::ModelStatistics& statistics) {
  uint64_t sum = 0;
  for (const uint64_t count : statistics.failures) sum += count;
  return sum;
}

core::ModelPlan Batching(core::ModelPlan plan, microseconds delay = microseconds(0)) {
  plan.batching.emplace();
  plan.batching->max_queue_delay = delay;
  return plan;
}

core::ModelPlan ClosedGate(const std::string& async = "false") {
  core::ModelPlan plan = MakePlan("gate");
  plan.parameters = {{"closed", "true"}, {"async", async}};
  return plan;
}

std::unique_ptr<backend::Backend> Scripted(serving::testing::ScriptedInstance::Script script,
                                           bool may_run_inline = false) {
  return std::make_unique<ScriptedBackend>(std::move(script), may_run_inline);
}

TEST(Model, AnswersWhatItIsAsked) {
  ModelHarness model(MakePlan("identity"));
  for (const Pending& pending : model.Enqueue(20, 3)) EXPECT_TRUE(pending.is_echoed());
  const auto statistics = model.Statistics();
  EXPECT_EQ(statistics.received, 20u);
  EXPECT_EQ(statistics.success.count, 20u);
  EXPECT_EQ(statistics.inference_count, 60u);
  EXPECT_EQ(statistics.pending, 0u);
  EXPECT_EQ(statistics.queued, 0u);
}

TEST(Model, GivesBackWhatItKeepsForBatches) {
  core::ModelPlan plan = Batching(MakePlan("identity"));
  plan.instance_count = 3;
  ModelHarness model(std::move(plan), nullptr, false);
  for (const Pending& pending : model.Enqueue(20)) EXPECT_TRUE(pending.is_echoed());
  // What a batch held comes back after its answers were seen.
  const auto statistics = [&] { return model.Statistics(); };
  while (statistics().tensor_bytes > 0 || statistics().idle_bytes == 0) std::this_thread::yield();
  // While an instance is held it is not trimmed.
  while (statistics().idle_bytes > 0) model->Trim();
  EXPECT_TRUE(model.EnqueueOne().is_echoed());
}

TEST(Model, IsTrimmedWhileItWorks) {
  ModelHarness model(Batching(MakePlan("identity")));
  std::atomic<bool> is_over{false};
  std::thread trimmer([&] {
    while (!is_over) model->Trim();
  });
  for (int i = 0; i < 200; ++i) {
    for (const Pending& pending : model.Enqueue(5)) EXPECT_TRUE(pending.is_echoed());
  }
  is_over = true;
  trimmer.join();
}

TEST(Model, RunsOneRequestAtATimeWithoutBatching) {
  ModelHarness model(MakePlan("identity"));
  for (const Pending& pending : model.Enqueue(5)) pending.Wait();
  EXPECT_EQ(model.Statistics().execution_count, 5u);
}

TEST(Model, BatchesWhatCameWhileItWasBusy) {
  ModelHarness model(Batching(ClosedGate()));
  const Pending first = model.EnqueueOne();
  model.AwaitAtGate(1);
  const auto later = model.Enqueue(5, 2);
  model.Control(R"({"action":"open"})");
  EXPECT_TRUE(first.is_echoed());
  for (const Pending& pending : later) EXPECT_TRUE(pending.is_echoed());
  const auto statistics = model.Statistics();
  EXPECT_EQ(statistics.execution_count, 3u);  // 1, then 4×2 = the limit of 8, then 2
  EXPECT_EQ(statistics.batches.at(8).compute_infer.count, 1u);
  EXPECT_EQ(statistics.batches.at(2).compute_infer.count, 1u);
}

TEST(Model, WaitsForAPreferredSizeAndNoLonger) {
  core::ModelPlan plan = Batching(MakePlan("identity"), std::chrono::hours(1));
  plan.batching->preferred_batch_sizes = {4};
  ModelHarness model(plan);
  const auto first = model.Enqueue(3);
  EXPECT_FALSE(first[0].sink->is_answered());
  const Pending last = model.EnqueueOne();
  EXPECT_TRUE(last.is_echoed());
  EXPECT_TRUE(first[0].is_echoed());
  EXPECT_EQ(model.Statistics().execution_count, 1u);
}

TEST(Model, SendsWhenTheDelayIsOver) {
  ModelHarness model(Batching(MakePlan("identity"), milliseconds(2)));
  const Pending pending = model.EnqueueOne();
  EXPECT_TRUE(pending.is_echoed());
  const core::StageTimes times = pending.Wait().times;
  EXPECT_GE(times.compute_start - times.queued, milliseconds(2));
}

TEST(Model, NeverMixesShapes) {
  ModelHarness model(Batching(ClosedGate()));
  model.EnqueueOne();
  model.AwaitAtGate(1);
  RequestChain chain;
  std::vector<base::Ref<serving::testing::RecordingSink>> sinks;
  for (const int64_t columns : {2, 3, 3}) {
    RequestBuilder request;
    request.Input(0, tensor::DataType::kInt32, {1, columns},
                  std::string(static_cast<size_t>(columns) * 4, 'x'));
    sinks.push_back(request.sink());
    chain.Append(request.Take());
  }
  model->Submit(std::move(chain), nullptr);
  model.Control(R"({"action":"open"})");
  EXPECT_EQ(sinks[0]->Wait().outputs[0].shape, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(sinks[1]->Wait().outputs[0].shape, (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(sinks[2]->Wait().outputs[0].bytes.size(), 12u);
  EXPECT_EQ(model.Statistics().execution_count, 3u);
}

// The key of a queue's shapes is FNV-1a over rank and dimensions, which anybody can invert: these
// are two shapes with one key, the second without elements so that it costs its client nothing.
TEST(Model, TellsShapesApartThatWereChosenToHashAlike) {
  constexpr uint64_t kPrime = 0x100000001b3;
  const uint64_t start = (0xcbf29ce484222325 ^ 4) * kPrime;  // rank 3 plus one
  int64_t first = 1;
  int64_t forged = -1;
  while (forged < 0) {
    ++first;
    forged = static_cast<int64_t>(3 ^ ((start ^ static_cast<uint64_t>(first)) * kPrime) ^
                                  (start * kPrime));
  }
  core::ModelPlan plan = Batching(MakePlan("identity", 8, tensor::DataType::kInt32, {-1, -1}));
  ModelHarness model(plan);
  RequestBuilder victim;
  const std::string bytes(static_cast<size_t>(first) * 3 * 4, 'v');
  victim.Input(0, tensor::DataType::kInt32, {1, first, 3}, bytes);
  RequestBuilder attacker;
  attacker.Input(0, tensor::DataType::kInt32, {1, 0, forged}, "");
  const auto victims = victim.sink();
  const auto attackers = attacker.sink();
  RequestChain chain;
  chain.Append(victim.Take());
  chain.Append(attacker.Take());
  model->Submit(std::move(chain), nullptr);
  EXPECT_EQ(victims->Wait().outputs[0].bytes, bytes);
  EXPECT_EQ(attackers->Wait().outputs[0].bytes, "");
  EXPECT_EQ(model.Statistics().execution_count, 2u);
}

TEST(Model, RefusesWhatAFullQueueCannotHold) {
  core::ModelPlan plan = ClosedGate();
  plan.queue.max_queue_size = 2;
  ModelHarness model(plan);
  const Pending running = model.EnqueueOne();
  model.AwaitAtGate(1);
  const auto queued = model.Enqueue(3);
  EXPECT_EQ(queued[2].message(), "[request id: <id_unknown>] Exceeds maximum queue size");
  EXPECT_EQ(queued[2].Wait().status.code(), base::StatusCode::kUnavailable);
  EXPECT_EQ(model.Statistics().queued, 2u);
  model.Control(R"({"action":"open"})");
  EXPECT_TRUE(running.is_echoed());
  EXPECT_TRUE(queued[0].is_echoed());
  EXPECT_TRUE(queued[1].is_echoed());
  EXPECT_EQ(model.Statistics().failures[0], 1u);
}

TEST(Model, AnswersAFullQueueWithTheConfiguredCode) {
  core::ModelPlan plan = ClosedGate();
  plan.queue.max_queue_size = 1;
  plan.queue.full_status = base::StatusCode::kResourceExhausted;
  ModelHarness model(plan);
  model.EnqueueOne();
  model.AwaitAtGate(1);
  EXPECT_EQ(model.Enqueue(2)[1].Wait().status.code(), base::StatusCode::kResourceExhausted);
}

TEST(Model, GivesTheDeadsPlaceInAFullQueueAway) {
  core::ModelPlan plan = ClosedGate();
  plan.queue.max_queue_size = 1;
  ModelHarness model(plan);
  model.EnqueueOne();
  model.AwaitAtGate(1);
  const Pending left = model.EnqueueOne();
  left.sink->Cancel();
  const Pending next = model.EnqueueOne();
  EXPECT_EQ(left.Wait().status.code(), base::StatusCode::kCancelled);
  model.Control(R"({"action":"open"})");
  EXPECT_TRUE(next.is_echoed());
}

TEST(Model, LetsRequestsExpireInTheQueue) {
  core::ModelPlan plan = ClosedGate();
  plan.queue.default_timeout = std::chrono::hours(1);
  plan.queue.allow_timeout_override = true;
  ModelHarness model(plan);
  model.EnqueueOne();
  model.AwaitAtGate(1);
  const Pending hasty = model.EnqueueOne(1, /*timeout_us=*/1);
  const Pending patient = model.EnqueueOne();
  model.Control(R"({"action":"open"})");
  EXPECT_TRUE(patient.is_echoed());
  EXPECT_EQ(hasty.message(), "[request id: <id_unknown>] Request timeout expired");
  EXPECT_EQ(hasty.Wait().status.code(), base::StatusCode::kUnavailable);
  EXPECT_EQ(model.Statistics().failures[0], 1u);
  EXPECT_EQ(model.Statistics().inference_count, 2u);
}

TEST(Model, LetsARequestOnlyShortenTheTimeout) {
  struct Row {
    int64_t default_ms;
    bool may_override;
    uint64_t request_us;
    int64_t expected_us;  // -1: none
  };
  for (const Row& row : {Row{0, true, 5, -1}, Row{0, false, 0, -1}, Row{2, false, 5, 2000},
                         Row{2, true, 0, 2000}, Row{2, true, 5, 5}, Row{2, true, 2000, 2000},
                         Row{2, true, 9'000'000'000'000'000'000u, 2000}}) {
    core::ModelPlan plan = MakePlan("identity");
    plan.queue.default_timeout = milliseconds(row.default_ms);
    plan.queue.allow_timeout_override = row.may_override;
    ModelHarness model(plan);
    core::InferRequest request;
    request.timeout_us = row.request_us;
    const auto timeout = model->QueueTimeout(request);
    EXPECT_EQ(timeout ? std::chrono::duration_cast<microseconds>(*timeout).count() : -1,
              row.expected_us);
  }
}

TEST(Model, NeverRunsCancelledRows) {
  std::atomic<int64_t> rows{0};
  std::atomic<bool> is_first{true};
  std::binary_semaphore entered(0);
  std::binary_semaphore gate(0);
  ModelHarness model(Batching(MakePlan("scripted")), Scripted([&](Batch& batch) {
                       rows += batch.rows();
                       if (is_first.exchange(false)) {
                         entered.release();
                         gate.acquire();
                       }
                       batch.Complete(backend::CopyInputs("", batch));
                     }));
  const Pending running = model.EnqueueOne(1);
  entered.acquire();
  const auto queued = model.Enqueue(3, 2);
  queued[1].sink->Cancel();
  gate.release();
  EXPECT_TRUE(queued[0].is_echoed());
  EXPECT_TRUE(queued[2].is_echoed());
  EXPECT_EQ(queued[1].message(), "[request id: <id_unknown>] Request is cancelled");
  EXPECT_EQ(rows, 5);
  EXPECT_EQ(model.Statistics().failures[1], 1u);
  running.Wait();
}

TEST(Model, TakesARequestOutOfTheQueueAtOnce) {
  ModelHarness model(ClosedGate());
  const Pending running = model.EnqueueOne();
  model.AwaitAtGate(1);
  const auto queued = model.Enqueue(3);
  EXPECT_TRUE(model->RemoveQueued(queued[1].sink.get(), base::DeadlineExceeded("too late"),
                                  metrics::FailureReason::kOther));
  EXPECT_EQ(queued[1].message(), "[request id: <id_unknown>] too late");
  EXPECT_EQ(model.Statistics().queued, 2u);
  EXPECT_FALSE(model->RemoveQueued(queued[1].sink.get(), base::Cancelled(""),
                                   metrics::FailureReason::kCanceled));
  EXPECT_FALSE(model->RemoveQueued(running.sink.get(), base::Cancelled(""),
                                   metrics::FailureReason::kCanceled));
  model.Control(R"({"action":"open"})");
  EXPECT_TRUE(running.is_echoed());
  EXPECT_TRUE(queued[0].is_echoed());
  EXPECT_TRUE(queued[2].is_echoed());
  EXPECT_EQ(model.Statistics().failures[3], 1u);
}

TEST(Model, CountsBackendFailures) {
  ModelHarness model(MakePlan("poison"));
  model.Control(R"({"action":"throw","count":1,"message":"thrown"})");
  EXPECT_EQ(model.EnqueueOne().message(), "thrown");
  EXPECT_TRUE(model.EnqueueOne().is_echoed());
  const auto statistics = model.Statistics();
  EXPECT_EQ(statistics.failures[2], 1u);
  EXPECT_EQ(statistics.fail.count, 1u);
  EXPECT_EQ(statistics.success.count, 1u);
  EXPECT_EQ(statistics.inference_count, 1u);
}

TEST(Model, CountsAClientBeforeItHasItsAnswer) {
  ModelHarness model(MakePlan("identity"));
  uint64_t seen = 0;
  auto [request, client] = model.Make();
  client.sink->when_final = [&] { seen = model.Statistics().success.count; };
  RequestChain chain;
  chain.Append(std::move(request));
  model->Submit(std::move(chain), nullptr);
  client.Wait();
  model->Stop();
  EXPECT_EQ(seen, 1u);
}

// Inline execution.

InlineAllowance Generous() { return {std::chrono::hours(1)}; }

TEST(ModelInline, RunsOnTheSubmittingThread) {
  ModelHarness model(MakePlan("identity"));
  ASSERT_TRUE(model->runs_inline());
  InlineAllowance allowance = Generous();
  const auto answered = model.Enqueue(3, 2, &allowance);
  for (const Pending& pending : answered) {
    EXPECT_TRUE(pending.sink->is_answered());
    EXPECT_TRUE(pending.is_echoed());
  }
  EXPECT_LT(allowance.left, std::chrono::hours(1));
}

TEST(ModelInline, BatchesWhatOneTurnBrought) {
  ModelHarness model(Batching(MakePlan("identity")));
  InlineAllowance allowance = Generous();
  for (const Pending& pending : model.Enqueue(8, 1, &allowance)) EXPECT_TRUE(pending.is_echoed());
  EXPECT_EQ(model.Statistics().execution_count, 1u);
}

TEST(ModelInline, LeavesTheRestToTheThreadWhenTheAllowanceIsSpent) {
  ModelHarness model(MakePlan("identity"));
  InlineAllowance allowance{base::Nanoseconds(0)};
  for (const Pending& pending : model.Enqueue(5, 1, &allowance)) EXPECT_TRUE(pending.is_echoed());
  EXPECT_EQ(allowance.left.count(), 0);
}

TEST(ModelInline, IsOffWhereTheOptionOrTheBackendSaysSo) {
  ModelHarness by_option(MakePlan("identity"), nullptr, /*allow_inline=*/false);
  EXPECT_FALSE(by_option->runs_inline());
  ModelHarness by_backend(MakePlan("gate"));
  EXPECT_FALSE(by_backend->runs_inline());
  InlineAllowance allowance = Generous();
  for (const Pending& pending : by_option.Enqueue(3, 1, &allowance))
    EXPECT_TRUE(pending.is_echoed());
  EXPECT_EQ(allowance.left, std::chrono::hours(1));
}

TEST(ModelInline, IsOffForAModelThatIsSlowOnZeros) {
  ModelHarness model(MakePlan("scripted"), Scripted(
                                               [](Batch& batch) {
                                                 std::this_thread::sleep_for(microseconds(300));
                                                 batch.Complete(backend::CopyInputs("", batch));
                                               },
                                               true));
  EXPECT_FALSE(model->runs_inline());
}

TEST(ModelInline, IsOffForBatchesThatWereSlow) {
  // Quick for one row and slow for more: the I/O thread takes single rows only.
  std::atomic<std::thread::id> ran_on;
  ModelHarness model(MakePlan("scripted"), Scripted(
                                               [&](Batch& batch) {
                                                 ran_on = std::this_thread::get_id();
                                                 if (batch.rows() > 1) {
                                                   std::this_thread::sleep_for(microseconds(300));
                                                 }
                                                 batch.Complete(backend::CopyInputs("", batch));
                                               },
                                               true));
  InlineAllowance allowance = Generous();
  model.Enqueue(1, 1, &allowance)[0].Wait();
  EXPECT_EQ(ran_on.load(), std::this_thread::get_id());
  model.Enqueue(1, 2, &allowance)[0].Wait();
  EXPECT_NE(ran_on.load(), std::this_thread::get_id());
}

TEST(ModelInline, EndsAfterSlowRuns) {
  std::atomic<bool> is_slow{false};
  std::atomic<std::thread::id> ran_on;
  ModelHarness model(MakePlan("scripted"), Scripted(
                                               [&](Batch& batch) {
                                                 ran_on = std::this_thread::get_id();
                                                 if (is_slow)
                                                   std::this_thread::sleep_for(microseconds(1100));
                                                 batch.Complete(backend::CopyInputs("", batch));
                                               },
                                               true));
  ASSERT_TRUE(model->runs_inline());
  is_slow = true;
  InlineAllowance allowance = Generous();
  // The first long run raises the suspicion, the second proves it, unless the kernel took the CPU
  // away meanwhile.
  int runs = 0;
  for (; runs < 2 || (runs < 1000 && model->runs_inline()); ++runs) {
    EXPECT_TRUE(model->runs_inline());
    model.Enqueue(1, 1, &allowance)[0].Wait();
    EXPECT_EQ(ran_on.load(), std::this_thread::get_id());
  }
  EXPECT_FALSE(model->runs_inline());
  model.Enqueue(1, 1, &allowance)[0].Wait();
  EXPECT_NE(ran_on.load(), std::this_thread::get_id());
}

TEST(ModelInline, IsOffForAModelThatFailsOnZeros) {
  ModelHarness model(MakePlan("scripted"),
                     Scripted([](Batch& batch) { batch.Complete(base::Internal("no")); }, true));
  EXPECT_FALSE(model->runs_inline());
  EXPECT_EQ(model.Statistics().received, 0u);
}

// Order.

TEST(ModelOrder, IsKeptOverInstancesWhereThePlanAsksForIt) {
  core::ModelPlan plan = Batching(MakePlan("scripted", 2));
  plan.batching->preserve_ordering = true;
  plan.instance_count = 3;
  std::atomic<int> executions{0};
  ModelHarness model(plan, Scripted([&](Batch& batch) {
                       if (executions++ % 3 == 0) std::this_thread::sleep_for(microseconds(200));
                       batch.Complete(backend::CopyInputs("", batch));
                     }));
  std::mutex mutex;
  std::vector<int> answered;
  std::vector<Pending> clients;
  for (int i = 0; i < 60; ++i) {
    auto [request, client] = model.Make();
    client.sink->when_final = [&, i] {
      std::lock_guard lock(mutex);
      answered.push_back(i);
    };
    RequestChain chain;
    chain.Append(std::move(request));
    clients.push_back(std::move(client));
    model->Submit(std::move(chain), nullptr);
  }
  model->Stop();
  ASSERT_EQ(answered.size(), 60u);
  EXPECT_TRUE(std::ranges::is_sorted(answered));
}

TEST(ModelOrder, IsKeptByBatchesThatRunSideBySide) {
  core::ModelPlan plan = Batching(ClosedGate());
  plan.batching->preserve_ordering = true;
  plan.max_batch_size = 1;
  plan.instance_count = 2;
  ModelHarness model(plan);
  const auto pending = model.Enqueue(40);
  model.AwaitAtGate(2);
  model.Control(R"({"action":"open"})");
  for (const Pending& client : pending) EXPECT_TRUE(client.is_echoed());
  EXPECT_EQ(model.Statistics().execution_count, 40u);
}

TEST(ModelOrder, LetsASlowBatchBeOvertakenOnlySoFar) {
  core::ModelPlan plan = Batching(MakePlan("scripted", 1));
  plan.batching->preserve_ordering = true;
  plan.instance_count = 2;
  std::atomic<int> executions{0};
  std::promise<void> slow_may_end;
  ModelHarness model(plan, Scripted([&, may_end = slow_may_end.get_future().share()](Batch& batch) {
                       ++executions;
                       // Not the first to run, which need not be the first that came.
                       int32_t number = 0;
                       std::memcpy(&number, batch.inputs()[0].view.data, sizeof(number));
                       if (number == 1) may_end.wait();
                       batch.Complete(backend::CopyInputs("", batch));
                     }));
  std::atomic<int> answered{0};
  std::vector<Pending> clients;
  for (int i = 0; i < 50; ++i) {
    auto [request, client] = model.Make();
    client.sink->when_final = [&] { ++answered; };
    RequestChain chain;
    chain.Append(std::move(request));
    clients.push_back(std::move(client));
    model->Submit(std::move(chain), nullptr);
  }
  // The window is 8 batches for each of the two instances, the slow one among them.
  while (model.Statistics().queued > 50 - 16) std::this_thread::yield();
  while (executions < 16) std::this_thread::yield();
  EXPECT_EQ(answered, 0);
  EXPECT_EQ(model.Statistics().queued, 50u - 16u);
  slow_may_end.set_value();
  model->Stop();
  EXPECT_EQ(answered, 50);
}

TEST(ModelOrder, InstancesWorkSideBySide) {
  core::ModelPlan plan = ClosedGate();
  plan.instance_count = 3;
  ModelHarness model(plan);
  const auto pending = model.Enqueue(4);
  model.AwaitAtGate(3);
  EXPECT_EQ(model.Statistics().queued, 1u);
  model.Control(R"({"action":"open"})");
  for (const Pending& client : pending) EXPECT_TRUE(client.is_echoed());
}

// Stop.

TEST(ModelStop, EndsWhatIsInsideAndRefusesWhatComes) {
  ModelHarness model(ClosedGate());
  const Pending running = model.EnqueueOne();
  model.AwaitAtGate(1);
  const auto queued = model.Enqueue(3);
  model->Stop();  // opens the gate
  EXPECT_TRUE(running.is_echoed());
  for (const Pending& pending : queued) EXPECT_TRUE(pending.is_echoed());
  const Pending late = model.EnqueueOne();
  EXPECT_EQ(late.message(),
            "[request id: <id_unknown>] Server is stopping, scheduler for model has stopped "
            "accepting new inference requests");
  EXPECT_EQ(late.Wait().status.code(), base::StatusCode::kUnavailable);
}

TEST(ModelStop, DoesNotWaitOutTheDelay) {
  ModelHarness model(Batching(MakePlan("identity"), std::chrono::hours(1)));
  const auto waiting = model.Enqueue(3);
  model->Stop();
  for (const Pending& pending : waiting) EXPECT_TRUE(pending.is_echoed());
}

TEST(ModelStop, WaitsForExecutionsWithoutAThread) {
  ModelHarness model(ClosedGate("true"));
  const auto pending = model.Enqueue(2);
  model.AwaitAtGate(1);
  model->Stop();
  for (const Pending& client : pending) EXPECT_TRUE(client.is_echoed());
}

// Races. Every sink aborts on a second answer; the sanitizers judge the rest.

struct Race {
  std::string name;
  std::string backend;
  std::map<std::string, std::string> parameters;
  bool batches;
  bool is_inline;
  int instances;
};

class ModelRaces : public ::testing::TestWithParam<Race> {};

TEST_P(ModelRaces, EveryRequestIsAnsweredOnce) {
  const Race& race = GetParam();
  core::ModelPlan plan = MakePlan(race.backend);
  plan.parameters = race.parameters;
  plan.instance_count = race.instances;
  plan.queue.max_queue_size = 200;
  if (race.batches) plan = Batching(plan, microseconds(50));
  ModelHarness model(plan);
  constexpr int kThreads = 4;
  constexpr int kPerThread = 1500;
  std::vector<std::vector<Pending>> clients(kThreads);
  std::atomic<int> submitting{kThreads};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      auto& mine = clients[static_cast<size_t>(t)];
      for (int i = 0; i < kPerThread; ++i) {
        RequestBuilder builder;
        const std::string bytes = Pack<int32_t>({t, i});
        builder.Rows(2).Input(0, tensor::DataType::kInt32, {2, 1}, bytes);
        mine.push_back({builder.sink(), bytes});
        RequestChain chain;
        chain.Append(builder.Take());
        InlineAllowance allowance{std::chrono::microseconds(500)};
        model->Submit(std::move(chain), race.is_inline ? &allowance : nullptr);
        const Pending& older = mine[mine.size() / 2];
        if (i % 3 == 0) {
          older.sink->Cancel();
          model->RemoveQueued(older.sink.get(), base::Cancelled("Request is cancelled"),
                              metrics::FailureReason::kCanceled);
        }
      }
      --submitting;
    });
  }
  // Whoever looks at any moment sees sums that agree.
  while (submitting.load() > 1) {
    const auto now = model.Statistics();
    ASSERT_EQ(now.success.count + Failures(now) + now.pending, now.received);
    ASSERT_LE(now.queued, now.pending);
    if (race.backend == "gate") model.Control(R"({"action":"release","count":3})");
    std::this_thread::yield();
  }
  model->Stop();  // while others still submit
  for (std::thread& thread : threads) thread.join();
  uint64_t succeeded = 0;
  for (const auto& mine : clients) {
    for (const Pending& client : mine) {
      const auto& response = client.Wait();
      if (!response.status.ok()) continue;
      ++succeeded;
      ASSERT_TRUE(client.is_echoed());
    }
  }
  const auto end = model.Statistics();
  EXPECT_EQ(end.received, uint64_t{kThreads * kPerThread});
  EXPECT_EQ(end.success.count, succeeded);
  EXPECT_EQ(end.success.count + Failures(end), end.received);
  EXPECT_EQ(end.pending, 0u);
  EXPECT_EQ(end.queued, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Table, ModelRaces,
    ::testing::Values(
        Race{"IdentityInline", "identity", {}, false, true, 1},
        Race{"IdentityInlineBatches", "identity", {}, true, true, 2},
        Race{"IdentityThreads", "identity", {}, true, false, 3},
        Race{"Gate", "gate", {{"closed", "true"}}, true, false, 2},
        Race{"GateWithoutThread", "gate", {{"closed", "true"}, {"async", "true"}}, true, false, 2},
        Race{"Sleep", "sleep", {{"sleep_us", "20"}}, true, false, 2},
        Race{"Poison", "poison", {{"message", "no"}}, false, false, 2}),
    [](const auto& info) { return info.param.name; });

// Row integrity: 100,000 requests of different sizes, each held against what it sent.
class RowIntegrity : public ::testing::TestWithParam<bool> {};

TEST_P(RowIntegrity, EveryRowGoesHome) {
  core::ModelPlan plan = Batching(MakePlan("scripted", 16));
  plan.instance_count = 2;
  // Negates into memory of its own, so that a row that was never run cannot look right.
  ModelHarness model(plan, Scripted(
                               [](Batch& batch) {
                                 const backend::BatchInput& input = batch.inputs()[0];
                                 backend::BatchOutput& output = batch.outputs()[0];
                                 output.data_type = input.data_type;
                                 output.shape = input.shape;
                                 output.owner = batch.Allocate(input.view.size);
                                 output.view = {.data = output.owner->data(),
                                                .size = input.view.size};
                                 for (size_t i = 0; i < input.view.size; ++i) {
                                   output.owner->data()[i] = ~input.view.data[i];
                                 }
                                 batch.Complete({});
                               },
                               true));
  constexpr int kThreads = 4;
  constexpr int32_t kPerThread = 25'000;
  constexpr size_t kWindow = 64;
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int32_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::vector<Pending> window;
      const auto check = [&] {
        for (const Pending& client : window) {
          std::string expected = client.sent;
          for (char& byte : expected) byte = static_cast<char>(~byte);
          const auto& response = client.Wait();
          if (!response.status.ok() || response.outputs[0].bytes != expected) ++wrong;
        }
        window.clear();
      };
      for (int32_t i = 0; i < kPerThread; ++i) {
        const int64_t rows = 1 + i % 5;
        std::vector<int32_t> numbers(static_cast<size_t>(rows), t * kPerThread + i);
        RequestBuilder builder;
        const std::string bytes = Pack(std::span<const int32_t>(numbers));
        builder.Rows(rows).Input(0, tensor::DataType::kInt32, {rows, 1}, bytes);
        window.push_back({builder.sink(), bytes});
        RequestChain chain;
        chain.Append(builder.Take());
        InlineAllowance allowance{std::chrono::microseconds(500)};
        model->Submit(std::move(chain), GetParam() ? &allowance : nullptr);
        if (window.size() == kWindow) check();
      }
      check();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(model.Statistics().success.count, uint64_t{kThreads * kPerThread});
}

INSTANTIATE_TEST_SUITE_P(Modes, RowIntegrity, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Inline" : "Threads"; });

}  // namespace
}  // namespace serving::model
