// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "cache/cached_model.h"

#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>

#include "gtest/gtest.h"
#include "testing/client_memory.h"
#include "testing/model_harness.h"

namespace serving::cache {
namespace {

using model::Model;
using model::RequestChain;
using serving::testing::FindBackend;
using serving::testing::MakePlan;
using serving::testing::Pack;
using serving::testing::RecordingSink;
using serving::testing::RequestBuilder;
using serving::testing::Unlimited;
using tensor::DataType;

core::ModelPlan Caching(core::ModelPlan plan) {
  plan.response_cache = true;
  return plan;
}

class Server {
 public:
  explicit Server(core::ModelPlan plan, size_t bytes = 1 << 20,
                  metrics::MetricsOptions metrics = {})
      : cache(std::make_shared<ResponseCache>(bytes)), backend_(FindBackend(plan.backend)) {
    auto made =
        Model::Load(std::move(plan), *backend_, {.budget = Unlimited(), .metrics = metrics}).Take();
    model = MakeCachedModel(std::move(made), cache, metrics);
  }
  ~Server() { model->Stop(); }

  base::Ref<RecordingSink> Submit(RequestBuilder builder) {
    auto sink = builder.sink();
    RequestChain chain;
    chain.Append(builder.Take());
    model->Submit(chain, nullptr);
    return sink;
  }
  base::Ref<RecordingSink> Submit(std::initializer_list<int32_t> numbers) {
    return Submit(Request(numbers));
  }
  static RequestBuilder Request(std::initializer_list<int32_t> numbers) {
    RequestBuilder builder;
    builder.Input(0, DataType::kInt32, {1, static_cast<int64_t>(numbers.size())}, Pack(numbers));
    return builder;
  }

  const std::shared_ptr<ResponseCache> cache;
  base::Ref<model::Servable> model;

 private:
  std::unique_ptr<backend::Backend> backend_;
};

uint64_t Hits(Server& server) { return server.model->Statistics().cache->hit.count; }
uint64_t Misses(Server& server) { return server.model->Statistics().cache->miss.count; }

TEST(CachedModel, AnswersARepeatedRequestWithoutTheModel) {
  Server server(Caching(MakePlan("identity")));
  const auto first = server.Submit({1, 2, 3});
  EXPECT_EQ(first->Wait().outputs.at(0).bytes, Pack<int32_t>({1, 2, 3}));
  const auto second = server.Submit({1, 2, 3});
  EXPECT_TRUE(second->is_answered());
  EXPECT_EQ(second->Wait().outputs.at(0).bytes, Pack<int32_t>({1, 2, 3}));
  EXPECT_EQ(second->Wait().outputs.at(0).shape, (std::vector<int64_t>{1, 3}));
  EXPECT_NE(server.Submit({1, 2, 4})->Wait().outputs.at(0).bytes, Pack<int32_t>({1, 2, 3}));
}

TEST(CachedModel, LooksIntoTheKeptAnswerWithoutACopy) {
  Server server(Caching(MakePlan("identity")));
  server.Submit({1, 2, 3})->Wait();
  const auto second = server.Submit({1, 2, 3});
  const auto third = server.Submit({1, 2, 3});
  EXPECT_EQ(second->Wait().outputs.at(0).address, third->Wait().outputs.at(0).address);
}

TEST(CachedModel, CountsWhatItAnswers) {
  metrics::MetricsOptions metrics;
  metrics.summary_latencies = true;
  metrics.summary_quantiles = {0.5};
  Server server(Caching(MakePlan("identity")), 1 << 20, metrics);
  for (int i = 0; i < 5; ++i) server.Submit({7})->Wait();
  const metrics::ModelStatistics statistics = server.model->Statistics();
  EXPECT_EQ(statistics.received, 5u);
  EXPECT_EQ(statistics.success.count, 5u);
  EXPECT_EQ(statistics.queue.count, 5u);
  EXPECT_EQ(statistics.inference_count, 1u);
  EXPECT_EQ(statistics.execution_count, 1u);
  EXPECT_EQ(statistics.compute_infer.count, 1u);
  EXPECT_EQ(statistics.cache->hit.count, 4u);
  EXPECT_EQ(statistics.cache->miss.count, 1u);
  EXPECT_GT(statistics.cache->hit.ns, 0u);
  EXPECT_EQ(statistics.cache->hit_summary.size(), 1u);
  EXPECT_EQ(statistics.cache->miss_summary.size(), 1u);
}

// One answer that waited for long among many from the cache.
TEST(CachedModel, HitsAreInTheSummaryAndTheHistogramsOfQueues) {
  metrics::MetricsOptions metrics;
  metrics.extended = true;
  metrics.summary_latencies = true;
  metrics.summary_quantiles = {0.5, 0.99};
  core::ModelPlan plan = MakePlan("identity");
  plan.batching.emplace().max_queue_delay = std::chrono::milliseconds(20);
  Server server(Caching(std::move(plan)), 1 << 20, metrics);
  for (int i = 0; i < 50; ++i) server.Submit({7})->Wait();
  const metrics::ModelStatistics statistics = server.model->Statistics();
  const auto& queue = statistics.summaries.at(static_cast<size_t>(metrics::Stage::kQueue));
  EXPECT_LT(queue.at(0), 10'000);
  EXPECT_GT(queue.at(1), 10'000);
  for (const metrics::Stage stage : {metrics::Stage::kRequest, metrics::Stage::kQueue}) {
    const auto& counts = statistics.histograms[static_cast<size_t>(stage)].counts();
    EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), uint64_t{0}), 50u);
  }
}

TEST(CachedModel, TellsRequestsApartByShapeOutputsAndParameters) {
  core::ModelPlan plan = MakePlan("identity", 8, DataType::kInt32, {-1});
  plan.inputs.push_back(serving::testing::Tensor("INPUT1", DataType::kInt32, {-1}));
  plan.outputs.push_back(serving::testing::Tensor("OUTPUT1", DataType::kInt32, {-1}));
  Server server(Caching(std::move(plan)));
  const std::string four = Pack<int32_t>({1, 2, 3, 4});
  const auto request = [&](int64_t rows, std::string_view first, std::string_view second) {
    RequestBuilder builder;
    const auto columns = [&](std::string_view bytes) {
      return static_cast<int64_t>(bytes.size()) / 4 / rows;
    };
    builder.Rows(rows)
        .Input(0, DataType::kInt32, {rows, columns(first)}, first)
        .Input(1, DataType::kInt32, {rows, columns(second)}, second);
    return builder;
  };
  const std::string_view all = four;
  uint64_t misses = 0;
  const auto expect_miss = [&](RequestBuilder builder) {
    server.Submit(std::move(builder))->Wait();
    EXPECT_EQ(Misses(server), ++misses);
  };
  expect_miss(request(1, all, all));
  expect_miss(request(2, all, all));
  // The same bytes, cut elsewhere.
  expect_miss(request(1, all.substr(0, 4), all.substr(4)));
  expect_miss(request(1, all.substr(0, 8), all.substr(8)));
  RequestBuilder one_output = request(1, all, all);
  one_output.request().wanted.push_back({.name = "OUTPUT1", .slot = 1});
  expect_miss(std::move(one_output));
  RequestBuilder with_parameter = request(1, all, all);
  with_parameter.request().parameters.push_back({"a", int64_t{1}});
  expect_miss(std::move(with_parameter));
  RequestBuilder with_another = request(1, all, all);
  with_another.request().parameters.push_back({"a", int64_t{2}});
  expect_miss(std::move(with_another));
  EXPECT_EQ(Hits(server), 0u);
  server.Submit(request(2, all, all))->Wait();
  EXPECT_EQ(Hits(server), 1u);
}

// Whoever asks first misses, keeps nothing, and is counted; what is asked again is kept.
TEST(CachedModel, KeepsInAFullCacheWhatIsAskedForASecondTime) {
  metrics::MetricsOptions metrics;
  metrics.summary_latencies = true;
  metrics.summary_quantiles = {0.5};
  Server server(Caching(MakePlan("identity")), 10'000, metrics);
  int32_t next = 0;
  for (; server.cache->entries() == static_cast<size_t>(next); ++next)
    server.Submit({next})->Wait();
  const uint64_t before = Misses(server);
  const size_t kept = server.cache->entries();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(server.Submit({-1})->Wait().outputs.at(0).bytes, Pack<int32_t>({-1}));
    EXPECT_EQ(server.cache->entries(), kept);
  }
  EXPECT_EQ(Misses(server), before + 2);
  EXPECT_EQ(Hits(server), 1u);
  const metrics::ModelStatistics statistics = server.model->Statistics();
  const uint64_t asked = static_cast<uint64_t>(next) + 3;
  EXPECT_EQ(statistics.received, asked);
  EXPECT_EQ(statistics.success.count, asked);
  EXPECT_EQ(statistics.queue.count, asked);
  EXPECT_EQ(statistics.cache->miss_summary.size(), 1u);
}

TEST(CachedModel, TakesInputsInAnyOrderAndInPieces) {
  Server server(Caching(MakePlan("identity")));
  server.Submit({1, 2})->Wait();
  RequestBuilder pieces;
  const std::string bytes = Pack<int32_t>({1, 2});
  pieces.InputInParts(0, DataType::kInt32, {1, 2}, {bytes.substr(0, 3), bytes.substr(3)});
  server.Submit(std::move(pieces))->Wait();
  EXPECT_EQ(Hits(server), 1u);
}

TEST(CachedModel, KeepsNoErrors) {
  Server server(Caching(MakePlan("poison")));
  ASSERT_TRUE(server.model->Control(R"({"action":"fail","count":1})").ok());
  EXPECT_FALSE(server.Submit({1})->Wait().status.ok());
  EXPECT_TRUE(server.Submit({1})->Wait().status.ok());
  EXPECT_EQ(Hits(server), 0u);
  EXPECT_EQ(Misses(server), 2u);
}

TEST(CachedModel, PassesSequencesBy) {
  Server server(Caching(MakePlan("identity")));
  for (int i = 0; i < 2; ++i) {
    RequestBuilder request = Server::Request({1});
    request.request().correlation_id = uint64_t{5};
    server.Submit(std::move(request))->Wait();
  }
  EXPECT_EQ(server.model->Statistics().execution_count, 2u);
  EXPECT_EQ(server.cache->entries(), 0u);
}

TEST(CachedModel, FindsAQueuedRequestBehindItsOwnSink) {
  core::ModelPlan plan = Caching(MakePlan("gate"));
  plan.parameters = {{"closed", "true"}};
  Server server(std::move(plan));
  const auto running = server.Submit({1});
  ASSERT_TRUE(server.model->Control(R"({"action":"await","waiting":1})").ok());
  const auto queued = server.Submit({2});
  EXPECT_TRUE(server.model->RemoveQueued(queued.get(), base::Cancelled("gone"),
                                         metrics::FailureReason::kCanceled));
  EXPECT_EQ(queued->Wait().status.code(), base::StatusCode::kCancelled);
  EXPECT_FALSE(server.model->RemoveQueued(queued.get(), base::Cancelled("gone"),
                                          metrics::FailureReason::kCanceled));
  ASSERT_TRUE(server.model->Control(R"({"action":"open"})").ok());
  EXPECT_TRUE(running->Wait().status.ok());
}

TEST(CachedModel, AnswersNobodyBeforeThoseUnderWayWhereOrderIsKept) {
  core::ModelPlan plan = Caching(MakePlan("gate"));
  plan.batching.emplace().preserve_ordering = true;
  Server server(std::move(plan));
  server.Submit({1})->Wait();
  ASSERT_TRUE(server.model->Control(R"({"action":"close"})").ok());
  const auto first = server.Submit({2});
  ASSERT_TRUE(server.model->Control(R"({"action":"await","waiting":1})").ok());
  const auto second = server.Submit({1});  // known, but `first` comes before it
  EXPECT_FALSE(second->is_answered());
  ASSERT_TRUE(server.model->Control(R"({"action":"open"})").ok());
  EXPECT_TRUE(second->Wait().status.ok());
  EXPECT_TRUE(first->is_answered());
}

// Neither those that no answer is kept for: inputs in memory that a client shares.
TEST(CachedModel, AnswersNobodyBeforeThoseThatItPassesByWhereOrderIsKept) {
  core::ModelPlan plan = Caching(MakePlan("gate"));
  plan.batching.emplace().preserve_ordering = true;
  Server server(std::move(plan));
  server.Submit({1})->Wait();
  ASSERT_TRUE(server.model->Control(R"({"action":"close"})").ok());
  RequestBuilder shared = Server::Request({2});
  const base::BufferRef region = serving::testing::MakeBuffer(Pack<int32_t>({2}));
  const core::ClientMemoryRef memory = serving::testing::Share(region, 1, 0, 4);
  shared.request().inputs[0].parts = {{.data = memory->data(), .size = 4}};
  shared.request().client_memory = {memory};
  const auto first = server.Submit(std::move(shared));
  ASSERT_TRUE(server.model->Control(R"({"action":"await","waiting":1})").ok());
  const auto second = server.Submit({1});
  EXPECT_FALSE(second->is_answered());
  const auto queued = server.Submit({3});
  // They are still found by their clients' sinks.
  EXPECT_TRUE(server.model->RemoveQueued(queued.get(), base::Cancelled("gone"),
                                         metrics::FailureReason::kCanceled));
  ASSERT_TRUE(server.model->Control(R"({"action":"open"})").ok());
  EXPECT_TRUE(second->Wait().status.ok());
  EXPECT_TRUE(first->is_answered());
  EXPECT_EQ(Misses(server), 3u) << "the one in shared memory is not looked for";
  EXPECT_EQ(server.cache->entries(), 1u);
}

TEST(CachedModel, ForgetsItsAnswersWhenItStops) {
  Server server(Caching(MakePlan("identity")));
  server.Submit({1})->Wait();
  EXPECT_EQ(server.cache->entries(), 1u);
  server.model->Stop();
  EXPECT_EQ(server.cache->entries(), 0u);
}

TEST(CachedModel, IsAnotherForEveryLoad) {
  Server server(Caching(MakePlan("identity")));
  server.Submit({1})->Wait();
  const auto backend = FindBackend("identity");
  auto reloaded = MakeCachedModel(
      Model::Load(Caching(MakePlan("identity")), *backend, {.budget = Unlimited()}).Take(),
      server.cache, {});
  RequestBuilder request = Server::Request({1});
  const auto sink = request.sink();
  RequestChain chain;
  chain.Append(request.Take());
  reloaded->Submit(chain, nullptr);
  sink->Wait();
  EXPECT_EQ(reloaded->Statistics().cache->miss.count, 1u);
  reloaded->Stop();
}

TEST(CachedModel, IsForModelsThatWantItAndAnswerOnce) {
  core::ModelPlan plan = MakePlan("identity");
  EXPECT_FALSE(MayCache(plan));
  plan.response_cache = true;
  EXPECT_TRUE(MayCache(plan));
  plan.decoupled = true;
  EXPECT_FALSE(MayCache(plan));
}

// Each answer is held against its own request, while many threads ask for few things and the cache
// is too small for them.
TEST(CachedModel, GivesEachRequestItsOwnAnswer) {
  core::ModelPlan plan = Caching(MakePlan("identity"));
  plan.batching.emplace();
  plan.instance_count = 2;
  Server server(std::move(plan), 8'000);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 2'000; ++i) {
        const int32_t number = (i * 7 + thread) % 40;
        const auto sink = server.Submit({number, number + 1});
        const auto& response = sink->Wait();
        if (!response.status.ok() ||
            response.outputs.at(0).bytes != Pack<int32_t>({number, number + 1})) {
          ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  const metrics::ModelStatistics statistics = server.model->Statistics();
  EXPECT_EQ(statistics.received, 8'000u);
  EXPECT_EQ(statistics.cache->hit.count + statistics.cache->miss.count, 8'000u);
  EXPECT_EQ(statistics.success.count, 8'000u);
  EXPECT_GT(statistics.cache->hit.count, 0u);
}

}  // namespace
}  // namespace serving::cache
