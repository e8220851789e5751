// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "engine/engine.h"

#include "backend/identity/identity.h"
#include "backend/testing/testing.h"
#include "gtest/gtest.h"
#include "testing/requests.h"

namespace serving::engine {
namespace {

using serving::testing::MakePlan;
using serving::testing::Pack;
using serving::testing::RequestBuilder;

class EngineTest : public ::testing::Test {
 protected:
  EngineTest() : engine_({.memory_limit_bytes = 1 << 20, .allow_inline = true}) {
    engine_.Register(backend::MakeIdentityBackend());
    for (auto& backend : backend::MakeTestBackends()) engine_.Register(std::move(backend));
  }

  base::Ref<model::Servable> Loaded(core::ModelPlan plan) {
    return engine_.Find(engine_.Load(std::move(plan)).Take());
  }

  Engine engine_;
};

TEST_F(EngineTest, LoadsServesAndUnloads) {
  const ModelHandle handle = engine_.Load(MakePlan("identity")).Take();
  const auto model = engine_.Find(handle);
  ASSERT_TRUE(model);
  RequestBuilder request;
  request.Input(0, tensor::DataType::kInt32, {1, 1}, Pack<int32_t>({5}));
  const auto sink = request.sink();
  model::RequestChain chain;
  chain.Append(request.Take());
  model->Submit(std::move(chain), nullptr);
  EXPECT_EQ(sink->Wait().outputs[0].bytes, Pack<int32_t>({5}));
  EXPECT_TRUE(engine_.Unload(handle).ok());
  EXPECT_FALSE(engine_.Find(handle));
  EXPECT_EQ(engine_.Unload(handle).code(), base::StatusCode::kNotFound);
}

TEST_F(EngineTest, NeverGivesAHandleTwice) {
  const ModelHandle first = engine_.Load(MakePlan("identity")).Take();
  ASSERT_TRUE(engine_.Unload(first).ok());
  EXPECT_NE(engine_.Load(MakePlan("identity")).Take(), first);
}

TEST_F(EngineTest, NamesItsBackendsWhenOneIsUnknown) {
  const base::Status status = engine_.Load(MakePlan("tensorrt")).status();
  EXPECT_EQ(status.code(), base::StatusCode::kInvalidArgument);
  EXPECT_TRUE(
      status.message().starts_with("unable to find backend library for backend 'tensorrt': "
                                   "this server has 'identity', 'sleep', "))
      << status.message();
  EXPECT_EQ(engine_.Inspect("identity", "x").status().code(), base::StatusCode::kUnimplemented);
}

TEST_F(EngineTest, KeepsNothingOfAFailedLoad) {
  core::ModelPlan plan = MakePlan("identity");
  plan.outputs.clear();
  EXPECT_FALSE(engine_.Load(plan).ok());
  EXPECT_TRUE(engine_.Snapshot().empty());
}

TEST_F(EngineTest, ListsVersionsInOrder) {
  for (const auto& [name, version] : {std::pair{"b", 1}, {"a", 10}, {"a", 9}}) {
    core::ModelPlan plan = MakePlan("identity");
    plan.name = name;
    plan.version = version;
    ASSERT_TRUE(engine_.Load(plan).ok());
  }
  const auto samples = engine_.Snapshot();
  ASSERT_EQ(samples.size(), 3u);
  EXPECT_EQ(samples[0].model->plan().version, 9);
  EXPECT_EQ(samples[1].model->plan().version, 10);
  EXPECT_EQ(samples[2].model->plan().name, "b");
}

size_t InstancesOf(const base::Ref<model::Servable>& model) {
  return model->Statistics().instances.size();
}

TEST_F(EngineTest, AdjustsAllOrNone) {
  core::ModelPlan plan = MakePlan("identity");
  core::ModelPlan cached = plan;
  cached.response_cache = true;
  core::ModelPlan split = plan;
  split.max_request_rows = 100;
  core::ModelPlan sequences = plan;
  sequences.sequence.emplace();
  std::vector<core::ModelPlan> plans{plan, cached, split, sequences};
  Engine engine({.memory_limit_bytes = 1 << 20, .response_cache_bytes = 1 << 20});
  engine.Register(backend::MakeIdentityBackend());
  std::vector<Engine::Adjustment> wanted;
  for (core::ModelPlan& one : plans) {
    const ModelHandle handle = engine.Load(one).Take();
    one.instance_count = 3;
    wanted.insert(wanted.begin(), {handle, one});
  }
  auto wrong = wanted;
  wrong.front().plan.max_batch_size = 1;
  EXPECT_EQ(engine.Adjust(wrong).code(), base::StatusCode::kInvalidArgument);
  for (const auto& sample : engine.Snapshot()) EXPECT_EQ(InstancesOf(sample.model), 1u);
  wrong = wanted;
  wrong.front().handle = 1000;
  EXPECT_EQ(engine.Adjust(wrong).code(), base::StatusCode::kNotFound);
  for (const auto& sample : engine.Snapshot()) EXPECT_EQ(InstancesOf(sample.model), 1u);
  EXPECT_TRUE(engine.Adjust(wanted).ok());
  for (const auto& sample : engine.Snapshot()) EXPECT_EQ(InstancesOf(sample.model), 3u);
}

TEST_F(EngineTest, AdjustsNoEnsemble) {
  core::ModelPlan plan = MakePlan("");
  plan.ensemble.emplace();
  const ModelHandle handle = engine_.Load(plan).Take();
  EXPECT_EQ(engine_.Adjust({{handle, plan}}).code(), base::StatusCode::kUnimplemented);
}

TEST_F(EngineTest, EndsWithRequestsAtAClosedGate) {
  Engine engine({.memory_limit_bytes = 1 << 20, .allow_inline = true});
  for (auto& backend : backend::MakeTestBackends()) engine.Register(std::move(backend));
  core::ModelPlan plan = MakePlan("gate");
  plan.parameters["closed"] = "true";
  const auto model = engine.Find(engine.Load(plan).Take());
  RequestBuilder request;
  request.Input(0, tensor::DataType::kInt32, {1, 1}, Pack<int32_t>({5}));
  model::RequestChain chain;
  chain.Append(request.Take());
  model->Submit(std::move(chain), nullptr);
  // The engine's end opens the gate; this test hangs where it does not.
}

// The table.

DispatchTable& Add(DispatchTable& table, const std::string& name,
                   std::vector<DispatchVersion> versions) {
  table.Add(name, {std::move(versions), base::NotFound("Request for unknown model: '" + name +
                                                       "' has no available versions")});
  return table;
}

TEST_F(EngineTest, ResolvesNamesAndVersions) {
  const auto one = Loaded(MakePlan("identity"));
  const auto three = Loaded(MakePlan("identity"));
  DispatchTable table;
  Add(table, "m", {{1, one, true}, {2, nullptr, false}, {3, three, true}, {4, nullptr, false}});
  EXPECT_EQ(table.Resolve("m", "").Take(), three.get());
  EXPECT_EQ(table.Resolve("m", "3").Take(), three.get());
  EXPECT_EQ(table.Resolve("m", "1").Take(), one.get());
  EXPECT_EQ(table.Resolve("m", "01").Take(), one.get());
}

TEST(DispatchTableTest, AnswersAnUnknownModelAsItIsTold) {
  DispatchTable table;
  EXPECT_EQ(table.Resolve("m", "").status().code(), base::StatusCode::kNotFound);
  table.unknown_model = base::StatusCode::kInvalidArgument;
  const base::Status status = table.Resolve("m", "").status();
  EXPECT_EQ(status.code(), base::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "Request for unknown model: 'm' is not found");
}

TEST_F(EngineTest, SaysInTritonsWordsWhatItCannotResolve) {
  const auto model = Loaded(MakePlan("identity"));
  DispatchTable table;
  Add(table, "m", {{1, model, true}, {2, model, false}});
  Add(table, "gone", {{1, nullptr, false}});
  struct Row {
    std::string name;
    std::string version;
    base::StatusCode code;
    std::string message;
  };
  using Code = base::StatusCode;
  for (const Row& row : {
           Row{"nobody", "", Code::kNotFound, "Request for unknown model: 'nobody' is not found"},
           Row{"", "", Code::kNotFound, "Request for unknown model: '' is not found"},
           Row{"m", "9", Code::kNotFound, "Request for unknown model: 'm' version 9 is not found"},
           Row{"m", "2", Code::kUnavailable,
               "Request for unknown model: 'm' version 2 is not at ready state"},
           Row{"gone", "", Code::kNotFound,
               "Request for unknown model: 'gone' has no available versions"},
           Row{"m", "x", Code::kInvalidArgument,
               "failed to get model version from specified version string 'x' (details: stol), "
               "version should "
               "be an integral value > 0"},
           Row{"m", "1x", Code::kInvalidArgument,
               "failed to get model version from specified version string '1x' (details: stol), "
               "version should "
               "be an integral value > 0"},
           Row{"m", "99999999999999999999", Code::kInvalidArgument,
               "failed to get model version from specified version string '99999999999999999999' "
               "(details: "
               "stol), version should be an integral value > 0"},
           Row{"m", "-5", Code::kInvalidArgument,
               "invalid model version specified '-5' , version should be an integral value > 0"},
       }) {
    const auto result = table.Resolve(row.name, row.version);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.status().code(), row.code) << row.name << " " << row.version;
    EXPECT_EQ(result.status().message(), row.message);
  }
}

TEST_F(EngineTest, KnowsWhatIsReady) {
  const auto model = Loaded(MakePlan("identity"));
  DispatchTable table;
  Add(table, "m", {{1, model, true}, {2, model, false}});
  EXPECT_TRUE(table.IsReady("m", "").Take());
  EXPECT_TRUE(table.IsReady("m", "1").Take());
  EXPECT_FALSE(table.IsReady("m", "2").Take());
  EXPECT_EQ(table.IsReady("nobody", "").status().code(), base::StatusCode::kNotFound);
  EXPECT_EQ(table.IsReady("m", "x").status().code(), base::StatusCode::kInvalidArgument);
}

TEST_F(EngineTest, KeepsTheTableOfWhoReadsIt) {
  auto table = base::MakeRef<DispatchTable>();
  Add(*table, "m", {{1, Loaded(MakePlan("identity")), true}});
  engine_.SetTable(table);
  const DispatchTableRef read = engine_.table();
  engine_.SetTable(base::MakeRef<DispatchTable>());
  EXPECT_TRUE(read->Resolve("m", "").ok());
  EXPECT_FALSE(engine_.table()->Resolve("m", "").ok());
}

}  // namespace
}  // namespace serving::engine
