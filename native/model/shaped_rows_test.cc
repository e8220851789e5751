// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <random>
#include <thread>

#include "gtest/gtest.h"
#include "model/splitter.h"
#include "testing/model_harness.h"
#include "testing/requests.h"

namespace serving::model {
namespace {

using serving::testing::FindBackend;
using serving::testing::MakePlan;
using serving::testing::Pack;
using serving::testing::RecordingSink;
using serving::testing::RequestBuilder;
using serving::testing::Unlimited;
using tensor::DataType;

constexpr int64_t kRows = 100'000;
constexpr int kClients = 4;
constexpr int64_t kMaxBatch = 16;
constexpr size_t kInFlight = 12;  // of one client

struct Sent {
  std::vector<int64_t> shape;
  std::string bytes;
  base::Ref<RecordingSink> sink;
};

// Numbers that no other row of any request has.
Sent MakeRequest(std::vector<int64_t> shape, uint64_t& next, RequestChain& chain) {
  std::vector<uint64_t> numbers(
      static_cast<size_t>(tensor::Shape(shape).ElementCount().value_or(0)));
  for (uint64_t& number : numbers) number = next++;
  RequestBuilder builder;
  Sent sent{shape, Pack(std::span<const uint64_t>(numbers)), builder.sink()};
  builder.Rows(shape[0]).Input(0, DataType::kUint64, shape, sent.bytes);
  chain.Append(builder.Take());
  return sent;
}

struct Case {
  const char* name;
  core::ModelPlan (*plan)();
  int64_t max_rows;    // of a request
  int64_t max_length;  // of a row
};

core::ModelPlan BatchingPlan() {
  core::ModelPlan plan = MakePlan("identity", kMaxBatch, DataType::kUint64, {-1, -1});
  plan.batching.emplace();
  plan.instance_count = 2;
  return plan;
}

core::ModelPlan RaggedPlan() {
  core::ModelPlan plan = BatchingPlan();
  plan.inputs[0].is_ragged = true;
  plan.outputs[0].scattered_by = 0;
  plan.batch_inputs.push_back(
      {.kind = core::BatchInputKind::kAccumulatedElementCountWithZero, .name = "starts"});
  return plan;
}

core::ModelPlan PaddedPlan() {
  core::ModelPlan plan = BatchingPlan();
  plan.inputs[0].padding = {
      .axis = 1, .buckets = {2, 4, 8, 16}, .value = 0, .max_waste_percent = 50};
  plan.outputs[0].unpadding = {.axis = 1, .input = 0};
  return plan;
}

core::ModelPlan SplitPlan() {
  core::ModelPlan plan = BatchingPlan();
  plan.max_request_rows = 100;
  return plan;
}

core::ModelPlan PaddedAndSplitPlan() {
  core::ModelPlan plan = PaddedPlan();
  plan.max_request_rows = 100;
  return plan;
}

class ShapedRows : public ::testing::TestWithParam<Case> {};

// Every answer has the rows of its own request and no others.
TEST_P(ShapedRows, HoldsForEveryRow) {
  const auto backend = FindBackend("identity");
  base::Ref<Model> model =
      Model::Load(GetParam().plan(), *backend,
                  {.budget = Unlimited(), .allow_inline = false, .metrics = {}})
          .Take();
  base::Ref<Servable> served = model;
  if (model->plan().max_request_rows > 0) {
    served = base::MakeRef<Splitter>(std::move(model), Unlimited());
  }
  std::vector<std::thread> clients;
  std::vector<uint64_t> requests(kClients);
  for (int client = 0; client < kClients; ++client) {
    clients.emplace_back([&, client] {
      std::mt19937 random(static_cast<unsigned>(client));
      const auto upto = [&](int64_t most) {
        return std::uniform_int_distribution<int64_t>(1, most)(random);
      };
      uint64_t next = static_cast<uint64_t>(client) << 48;
      for (int64_t rows = 0; rows < kRows / kClients;) {
        RequestChain chain;
        std::vector<Sent> sent;
        while (sent.size() < kInFlight) {
          sent.push_back(MakeRequest(
              {upto(GetParam().max_rows), upto(2), upto(GetParam().max_length)}, next, chain));
          rows += sent.back().shape[0];
        }
        served->Submit(std::move(chain), nullptr);
        for (const Sent& one : sent) {
          const auto& response = one.sink->Wait();
          ASSERT_TRUE(response.status.ok()) << response.status.message();
          ASSERT_EQ(response.outputs[0].shape, one.shape);
          ASSERT_EQ(response.outputs[0].bytes, one.bytes);
        }
        requests[static_cast<size_t>(client)] += sent.size();
      }
    });
  }
  for (std::thread& client : clients) client.join();
  served->Stop();
  const metrics::ModelStatistics statistics = served->Statistics();
  uint64_t all = 0;
  for (const uint64_t count : requests) all += count;
  EXPECT_EQ(statistics.success.count, all);
  EXPECT_GE(statistics.inference_count, static_cast<uint64_t>(kRows));
  if (GetParam().max_rows < kMaxBatch) {
    EXPECT_LT(statistics.execution_count, all) << "nothing shared a batch";
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, ShapedRows,
                         ::testing::Values(Case{"Ragged", &RaggedPlan, 3, 20},
                                           Case{"Padded", &PaddedPlan, 3, 20},
                                           Case{"Split", &SplitPlan, 100, 1},
                                           Case{"PaddedAndSplit", &PaddedAndSplitPlan, 60, 20}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace serving::model
