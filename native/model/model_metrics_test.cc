// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "backend/copy_inputs.h"
#include "gtest/gtest.h"
#include "model/model.h"
#include "testing/model_harness.h"
#include "testing/scripted_instance.h"

namespace serving::model {
namespace {

using backend::Batch;
using metrics::MetricsOptions;
using metrics::ModelStatistics;
using serving::testing::MakePlan;
using serving::testing::ModelHarness;
using serving::testing::Pending;
using serving::testing::ScriptedBackend;

core::ModelPlan Gate(int64_t max_batch_size = 16) {
  core::ModelPlan plan = MakePlan("gate", max_batch_size);
  plan.parameters = {{"closed", "true"}};
  plan.batching.emplace();
  return plan;
}

ModelHarness Measured(core::ModelPlan plan, MetricsOptions options) {
  return ModelHarness(std::move(plan), nullptr, true, std::move(options));
}

constexpr auto kOpen = R"({"action":"open"})";

std::array<uint64_t, metrics::kStages> Observed(const ModelStatistics& statistics) {
  std::array<uint64_t, metrics::kStages> sums{};
  for (size_t stage = 0; stage < metrics::kStages; ++stage) {
    const auto& counts = statistics.histograms[stage].counts();
    sums[stage] = std::accumulate(counts.begin(), counts.end(), uint64_t{0});
  }
  return sums;
}

std::array<uint64_t, metrics::kStages> Everywhere(uint64_t count) {
  std::array<uint64_t, metrics::kStages> sums{};
  sums.fill(count);
  return sums;
}

TEST(ModelMetrics, TwoRequestsInOneBatchAreNineInferencesAndOneExecution) {
  ModelHarness model(Gate());
  const Pending blocker = model.EnqueueOne();
  model.AwaitAtGate(1);
  const Pending one = model.EnqueueOne(1);
  const Pending eight = model.EnqueueOne(8);
  model.Control(R"({"action":"release","count":1})");
  blocker.Wait();
  const ModelStatistics before = model.Statistics();
  model.Control(kOpen);
  one.Wait();
  eight.Wait();
  const ModelStatistics after = model.Statistics();
  EXPECT_EQ(after.success.count - before.success.count, 2u);
  EXPECT_EQ(after.inference_count - before.inference_count, 9u);
  EXPECT_EQ(after.execution_count - before.execution_count, 1u);
  EXPECT_EQ(after.compute_infer.count - before.compute_infer.count, 2u);
  EXPECT_EQ(after.batches.at(9).compute_infer.count, 1u);
}

TEST(ModelMetrics, PendingCountsWhatWaitsAndNotWhatRuns) {
  ModelHarness model(Gate());
  EXPECT_EQ(model.Statistics().queued, 0u);
  const Pending running = model.EnqueueOne();
  model.AwaitAtGate(1);
  EXPECT_EQ(model.Statistics().queued, 0u);
  const auto waiting = model.Enqueue(3, 2);
  EXPECT_EQ(model.Statistics().queued, 3u);
  EXPECT_EQ(model.Statistics().pending, 4u);
  ASSERT_TRUE(model->RemoveQueued(waiting[1].sink.get(), base::Cancelled("gone"),
                                  metrics::FailureReason::kCanceled));
  EXPECT_EQ(model.Statistics().queued, 2u);
  model.Control(kOpen);
  for (const Pending& pending : waiting) pending.Wait();
  running.Wait();
  EXPECT_EQ(model.Statistics().queued, 0u);
  EXPECT_EQ(model.Statistics().failures[1], 1u);
}

TEST(ModelMetrics, HistogramsCountEverySuccessInEveryStage) {
  core::ModelPlan plan = MakePlan("poison");
  ModelHarness model = Measured(std::move(plan), {.extended = true});
  for (const Pending& pending : model.Enqueue(5, 2)) pending.Wait();
  model.Control(R"({"action":"fail","count":1,"message":"no"})");
  model.EnqueueOne().Wait();
  EXPECT_EQ(Observed(model.Statistics()), Everywhere(5));
}

TEST(ModelMetrics, HistogramsOfInlineRunsAreTheSame) {
  ModelHarness model = Measured(MakePlan("identity"), {.extended = true});
  InlineAllowance allowance{std::chrono::hours(1)};
  for (const Pending& pending : model.Enqueue(4, 1, &allowance)) pending.Wait();
  EXPECT_EQ(Observed(model.Statistics()), Everywhere(4));
}

TEST(ModelMetrics, NothingIsMeasuredThatNobodyAskedFor) {
  ModelHarness model(Gate());
  const Pending running = model.EnqueueOne();
  model.AwaitAtGate(1);
  const Pending waiting = model.EnqueueOne(2);
  EXPECT_EQ(model.Statistics().queue_state.bytes, 0u);
  model.Control(kOpen);
  running.Wait();
  waiting.Wait();
  const ModelStatistics statistics = model.Statistics();
  EXPECT_EQ(Observed(statistics), Everywhere(0));
  EXPECT_TRUE(statistics.summaries.empty());
  EXPECT_FALSE(statistics.first_response_ms);
}

TEST(ModelMetrics, SummariesFollowTheRequests) {
  core::ModelPlan plan = MakePlan("sleep");
  plan.parameters = {{"sleep_us", "3000"}};
  ModelHarness model =
      Measured(plan, {.summary_latencies = true, .summary_quantiles = {0.5, 0.9, 1}});
  const ModelStatistics before = model.Statistics();
  ASSERT_EQ(before.summaries.size(), metrics::kStages);
  for (const auto& stage : before.summaries) {
    ASSERT_EQ(stage.size(), 3u);
    EXPECT_TRUE(std::isnan(stage[0]));
  }
  for (const Pending& pending : model.Enqueue(2)) pending.Wait();
  const ModelStatistics after = model.Statistics();
  const auto at = [&](metrics::Stage stage) { return after.summaries[static_cast<size_t>(stage)]; };
  // Both run for at least 3 ms, the second waits for the first.
  EXPECT_GE(at(metrics::Stage::kComputeInfer)[0], 3000 * 63 / 64);
  EXPECT_GE(at(metrics::Stage::kRequest)[2], 6000 * 63 / 64);
  EXPECT_GE(at(metrics::Stage::kQueue)[2], 3000 * 63 / 64);
  EXPECT_LT(at(metrics::Stage::kQueue)[0], at(metrics::Stage::kQueue)[2]);
  EXPECT_EQ(Observed(after), Everywhere(0));
}

TEST(ModelMetrics, TheQueueTellsItsRowsBytesAndWaits) {
  core::ModelPlan plan = MakePlan("gate", 4);
  plan.parameters = {{"closed", "true"}};
  plan.instance_count = 2;
  ModelHarness model = Measured(std::move(plan), {.extended = true});
  const auto running = model.Enqueue(2);
  model.AwaitAtGate(2);
  EXPECT_EQ(model.Statistics().queue_state.rows, 0);
  const auto waiting = model.Enqueue(3, 4);
  const ModelStatistics unmeasured = model.Statistics();
  EXPECT_EQ(unmeasured.queue_state.rows, 12);
  EXPECT_EQ(unmeasured.queue_state.bytes, 12u * 4);
  EXPECT_GT(unmeasured.queue_state.oldest_wait.count(), 0);
  // Nothing ran to the end yet, so that nobody knows what a row takes.
  EXPECT_EQ(unmeasured.queue_state.predicted_wait_seconds, 0);
  model.Control(R"({"action":"release","count":1})");
  model.Control(R"({"action":"await","waiting":2,"executed":1})");
  const ModelStatistics measured = model.Statistics();
  EXPECT_EQ(measured.queue_state.rows, 8);
  const double row_seconds =
      static_cast<double>(measured.compute_input.ns + measured.compute_infer.ns +
                          measured.compute_output.ns) /
      1e9;
  EXPECT_DOUBLE_EQ(measured.queue_state.predicted_wait_seconds, row_seconds * 8 / 2);
  model.Control(kOpen);
  for (const Pending& pending : waiting) pending.Wait();
  for (const Pending& pending : running) pending.Wait();
  EXPECT_EQ(model.Statistics().queue_state.rows, 0);
  EXPECT_EQ(model.Statistics().queue_state.bytes, 0u);
}

// Decoupled models.

core::ModelPlan Stream(const std::string& responses, const std::string& empty_final = "false") {
  core::ModelPlan plan = MakePlan("stream");
  plan.parameters = {{"responses", responses}, {"empty_final", empty_final}};
  plan.decoupled = true;
  return plan;
}

// success, fail, empty_response, cancel of each index.
std::vector<std::array<uint64_t, 4>> Outcomes(const ModelStatistics& statistics) {
  std::vector<std::array<uint64_t, 4>> rows;
  for (const metrics::ResponseStatistics& one : statistics.responses) {
    rows.push_back({one.success.count, one.fail.count, one.empty_response.count, one.cancel.count});
  }
  return rows;
}
using Rows = std::vector<std::array<uint64_t, 4>>;

TEST(ResponseStatistics, CountEachResponseByItsIndex) {
  ModelHarness model(Stream("3"));
  for (const Pending& pending : model.Enqueue(2)) pending.Wait();
  model->Stop();
  const ModelStatistics statistics = model.Statistics();
  ASSERT_EQ(Outcomes(statistics), (Rows{{2, 0, 0, 0}, {2, 0, 0, 0}, {2, 0, 0, 0}}));
  EXPECT_EQ(statistics.responses[2].compute_infer.count, 2u);
  EXPECT_EQ(statistics.responses[2].compute_output.count, 2u);
  EXPECT_EQ(statistics.success.count, 2u);
  EXPECT_EQ(statistics.execution_count, 2u);
}

TEST(ResponseStatistics, AnEmptyFinalResponseIsOneOfItsOwn) {
  ModelHarness model(Stream("2", "true"));
  model.EnqueueOne().Wait();
  model->Stop();
  ASSERT_EQ(Outcomes(model.Statistics()), (Rows{{1, 0, 0, 0}, {1, 0, 0, 0}, {0, 0, 1, 0}}));
  EXPECT_EQ(model.Statistics().responses[2].compute_infer.count, 0u);
}

TEST(ResponseStatistics, ARequestMayHaveAnEmptyResponseOnly) {
  ModelHarness model(Stream("0"));
  model.EnqueueOne().Wait();
  model->Stop();
  EXPECT_EQ(Outcomes(model.Statistics()), (Rows{{0, 0, 1, 0}}));
  EXPECT_EQ(model.Statistics().success.count, 1u);
}

TEST(ResponseStatistics, AreAbsentForOtherModels) {
  ModelHarness model(MakePlan("identity"));
  model.EnqueueOne().Wait();
  EXPECT_TRUE(model.Statistics().responses.empty());
}

void SendOne(core::ResponseSink& sink, base::Status status, bool has_output, bool is_final) {
  core::InferResponse* response = sink.NewResponse();
  response->status = std::move(status);
  if (has_output) response->outputs.emplace_back();
  response->is_final = is_final;
  core::SendNow(sink, response);
}

ModelHarness Decoupled(serving::testing::ScriptedInstance::Script script,
                       MetricsOptions options = {}) {
  core::ModelPlan plan = MakePlan("scripted");
  plan.decoupled = true;
  return ModelHarness(std::move(plan), std::make_unique<ScriptedBackend>(std::move(script)), true,
                      std::move(options));
}

TEST(ResponseStatistics, TellFailuresAndCancellationsApart) {
  ModelHarness model = Decoupled([](Batch& batch) {
    core::ResponseSink& sink = *batch.requests()[0]->sink;
    SendOne(sink, {}, true, false);
    SendOne(sink, base::Internal("boo"), false, false);
    SendOne(sink, base::Cancelled("left"), false, true);
    batch.CompleteAnswered();
  });
  model.EnqueueOne().Wait();
  model->Stop();
  EXPECT_EQ(Outcomes(model.Statistics()), (Rows{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 0, 1}}));
}

TEST(ResponseStatistics, ABackendSeesThatItsClientLeft) {
  base::Ref<serving::testing::RecordingSink> client_sink;
  ModelHarness model = Decoupled([&](Batch& batch) {
    core::ResponseSink& sink = *batch.requests()[0]->sink;
    SendOne(sink, {}, true, false);
    EXPECT_FALSE(sink.is_cancelled());
    client_sink->Cancel();
    EXPECT_TRUE(sink.is_cancelled());
    SendOne(sink, base::Cancelled("left"), false, true);
    batch.CompleteAnswered();
  });
  auto [request, client] = model.Make();
  client_sink = client.sink;
  RequestChain chain;
  chain.Append(std::move(request));
  model->Submit(std::move(chain), nullptr);
  client.Wait();
  model->Stop();
  EXPECT_EQ(Outcomes(model.Statistics()), (Rows{{1, 0, 0, 0}, {0, 0, 0, 1}}));
}

TEST(ResponseStatistics, ACounterMovesBeforeItsResponseIsSeen) {
  ModelHarness model(Stream("2"));
  std::optional<Rows> seen;
  auto [request, client] = model.Make();
  client.sink->when_final = [&] { seen = Outcomes(model.Statistics()); };
  RequestChain chain;
  chain.Append(std::move(request));
  model->Submit(std::move(chain), nullptr);
  client.Wait();
  model->Stop();
  EXPECT_EQ(seen, (Rows{{1, 0, 0, 0}, {1, 0, 0, 0}}));
}

TEST(ResponseStatistics, AResponseMayOutliveItsModel) {
  base::Ref<core::ResponseSink> kept;
  std::optional<Pending> client;
  {
    ModelHarness model = Decoupled([&](Batch& batch) {
      kept = batch.requests()[0]->sink;
      batch.CompleteAnswered();
    });
    client = model.EnqueueOne();
  }
  SendOne(*kept, {}, true, false);
  SendOne(*kept, {}, false, true);
  EXPECT_TRUE(client->Wait().status.ok());
}

TEST(FirstResponses, AreInTheHistogramOfDecoupledModels) {
  const MetricsOptions options = {.histogram_latencies = true};
  ModelHarness model = Measured(Stream("3"), options);
  for (const Pending& pending : model.Enqueue(2)) pending.Wait();
  const auto histogram = model.Statistics().first_response_ms;
  ASSERT_TRUE(histogram);
  EXPECT_EQ(histogram->bounds(), (std::vector<double>{100, 500, 2000, 5000}));
  const auto& counts = histogram->counts();
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), uint64_t{0}), 2u);
  EXPECT_FALSE(Measured(MakePlan("identity"), options).Statistics().first_response_ms);
}

TEST(FirstResponses, TakeTheBoundsOfTheConfiguration) {
  core::ModelPlan plan = Stream("1");
  plan.first_response_bounds_ms = {-1, 0, 2.5};
  ModelHarness model = Measured(std::move(plan), {.histogram_latencies = true});
  EXPECT_EQ(model.Statistics().first_response_ms->bounds(), (std::vector<double>{-1, 0, 2.5}));
}

}  // namespace
}  // namespace serving::model
