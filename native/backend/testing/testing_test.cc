// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "backend/testing/testing.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "backend/identity/identity.h"
#include "backend/testing/flat_json.h"
#include "gtest/gtest.h"
#include "testing/requests.h"
#include "testing/test_batch.h"

namespace serving::backend {
namespace {

using serving::testing::MakePlan;
using serving::testing::Pack;
using serving::testing::PackStrings;
using serving::testing::RequestBuilder;
using serving::testing::TestBatch;
using serving::testing::UnpackStrings;
using tensor::DataType;

// A backend of the set with one version and one instance.
struct Loaded {
  std::unique_ptr<Backend> backend;
  core::ModelPlan plan;
  std::unique_ptr<BackendModel> model;
  std::unique_ptr<Instance> instance;

  std::string Control(std::string_view json) {
    const auto answer = model->Control(json);
    return answer.ok() ? answer.value() : answer.status().message();
  }
};

std::unique_ptr<Backend> BackendNamed(std::string_view name) {
  for (auto& backend : MakeTestBackends()) {
    if (backend->name() == name) return std::move(backend);
  }
  return nullptr;
}

Loaded Load(core::ModelPlan plan) {
  Loaded loaded;
  loaded.backend = BackendNamed(plan.backend);
  loaded.plan = std::move(plan);
  loaded.model = loaded.backend->Load(loaded.plan).Take();
  loaded.instance = loaded.model->CreateInstance(0).Take();
  return loaded;
}

core::ModelPlan With(core::ModelPlan plan, const std::string& key, const std::string& value) {
  plan.parameters[key] = value;
  return plan;
}

TestBatch& Numbers(TestBatch& batch) {
  return batch.Input(0, DataType::kInt32, {1, 3}, Pack<int32_t>({1, 2, 3}));
}

TEST(TestBackends, NeverRunOnAnIoThread) {
  for (const auto& backend : MakeTestBackends()) {
    EXPECT_FALSE(backend->may_run_inline(MakePlan(std::string(backend->name()))))
        << backend->name();
  }
}

TEST(TestBackends, RefusePlansAndParametersTheyCannotServe) {
  for (const auto& backend : MakeTestBackends()) {
    core::ModelPlan plan = MakePlan(std::string(backend->name()));
    plan.outputs.clear();
    EXPECT_FALSE(backend->Load(plan).ok()) << backend->name();
  }
  const auto backends = MakeTestBackends();
  EXPECT_EQ(
      backends[0]->Load(With(MakePlan("sleep"), "sleep_us", "-1")).status().message(),
      "sleep: parameter 'sleep_us' of model 'm' is '-1', expected a whole number of 0 or more");
  EXPECT_EQ(backends[1]->Load(With(MakePlan("gate"), "closed", "yes")).status().message(),
            "gate: parameter 'closed' of model 'm' is 'yes', expected true or false");
}

TEST(Identity, LendsItsInput) {
  const auto backend = MakeIdentityBackend();
  const core::ModelPlan plan = MakePlan("identity");
  const auto instance = backend->Load(plan).Take()->CreateInstance(0).Take();
  TestBatch batch(plan);
  ASSERT_TRUE(Numbers(batch).Run(*instance).ok());
  EXPECT_EQ(batch.output(0).view.data, batch.inputs()[0].view.data);
  EXPECT_EQ(batch.charged_bytes(), 0u);
}

TEST(Identity, NeedsOutputsThatAreItsInputs) {
  core::ModelPlan plan = MakePlan("identity");
  plan.outputs[0].tensor.data_type = DataType::kFp32;
  EXPECT_EQ(
      MakeIdentityBackend()->Load(plan).status().message(),
      "identity: output 'OUTPUT0' of model 'm' is FP32[-1], expected INT32[-1] as input 'INPUT0'");
}

TEST(Sleep, TakesAtLeastWhatItWasTold) {
  Loaded sleep = Load(With(MakePlan("sleep"), "sleep_us", "2000"));
  TestBatch batch(sleep.plan);
  const auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(Numbers(batch).Run(*sleep.instance).ok());
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::microseconds(2000));
  EXPECT_EQ(batch.OutputBytes(0), Pack<int32_t>({1, 2, 3}));
  EXPECT_EQ(sleep.Control(R"({"sleep_us":0,"sleep_us_per_row":5})"), R"({"executed":1})");
  EXPECT_EQ(sleep.Control(R"({"sleep_us":"x"})"),
            "member 'sleep_us' of a test control is not a whole number of 0 or more");
}

TEST(Gate, HoldsAnExecutionUntilItOpens) {
  Loaded gate = Load(With(MakePlan("gate"), "closed", "true"));
  TestBatch batch(gate.plan);
  std::thread runner([&] { EXPECT_TRUE(Numbers(batch).Run(*gate.instance).ok()); });
  EXPECT_EQ(gate.Control(R"({"action":"await","waiting":1})"),
            R"({"closed":true,"waiting":1,"executed":0})");
  gate.Control(R"({"action":"open"})");
  runner.join();
  EXPECT_EQ(gate.Control("{}"), R"({"closed":false,"waiting":0,"executed":1})");
}

TEST(Gate, LetsAsManyThroughAsAreReleased) {
  Loaded gate = Load(With(With(MakePlan("gate"), "closed", "true"), "async", "true"));
  std::vector<std::unique_ptr<TestBatch>> batches;
  for (int i = 0; i < 3; ++i) {
    batches.push_back(std::make_unique<TestBatch>(gate.plan));
    gate.instance->Execute(Numbers(*batches.back()));  // async: returns at once
  }
  EXPECT_EQ(gate.Control(R"({"action":"release","count":2})"),
            R"({"closed":true,"waiting":1,"executed":2})");
  gate.model->Unblock();
  EXPECT_EQ(gate.Control("{}"), R"({"closed":true,"waiting":0,"executed":3})");
}

TEST(Gate, KnowsItsActions) {
  Loaded gate = Load(MakePlan("gate"));
  EXPECT_EQ(gate.Control(R"({"action":"slam"})"),
            "gate: unknown action 'slam', expected close, open, release or await");
}

TEST(Burst, RepeatsEveryInnermostRow) {
  Loaded burst = Load(With(MakePlan("burst"), "factor", "3"));
  TestBatch batch(burst.plan);
  batch.Rows(2).Input(0, DataType::kInt32, {2, 2}, Pack<int32_t>({1, 2, 3, 4}));
  ASSERT_TRUE(batch.Run(*burst.instance).ok());
  EXPECT_EQ(batch.OutputShape(0), "[2,6]");
  EXPECT_EQ(batch.OutputBytes(0), Pack<int32_t>({1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4}));
}

TEST(Burst, RepeatsStrings) {
  Loaded burst = Load(MakePlan("burst", 8, DataType::kBytes));
  TestBatch batch(burst.plan);
  batch.Rows(2).Input(0, DataType::kBytes, {2, 1}, PackStrings({"long one", ""}));
  ASSERT_TRUE(batch.Run(*burst.instance).ok());
  EXPECT_EQ(UnpackStrings(batch.OutputBytes(0)),
            (std::vector<std::string>{"long one", "long one", "", ""}));
}

TEST(Burst, AnswersThatTheBudgetIsFull) {
  Loaded burst = Load(With(MakePlan("burst"), "factor", "1000"));
  TestBatch batch(burst.plan, 1000);
  EXPECT_EQ(Numbers(batch).Run(*burst.instance).code(), base::StatusCode::kUnavailable);
}

TEST(Poison, FailsAlwaysWithItsParameter) {
  Loaded poison = Load(With(MakePlan("poison"), "message", "no more"));
  TestBatch batch(poison.plan);
  const base::Status status = Numbers(batch).Run(*poison.instance);
  EXPECT_EQ(status.code(), base::StatusCode::kInternal);
  EXPECT_EQ(status.message(), "no more");
  poison.Control(R"({"action":"heal"})");
  EXPECT_TRUE(batch.Run(*poison.instance).ok());
}

TEST(Poison, FailsAndThrowsAsOftenAsTold) {
  Loaded poison = Load(MakePlan("poison"));
  TestBatch batch(poison.plan);
  Numbers(batch);
  EXPECT_TRUE(batch.Run(*poison.instance).ok());
  for (const char* action : {"fail", "throw"}) {
    poison.Control(std::string(R"({"action":")") + action + R"(","count":2,"message":"told to"})");
    EXPECT_EQ(batch.Run(*poison.instance).message(), "told to");
    EXPECT_EQ(batch.Run(*poison.instance).message(), "told to");
    EXPECT_TRUE(batch.Run(*poison.instance).ok());
  }
  EXPECT_EQ(poison.Control("{}"), R"({"failed":4,"executed":7,"rebuilt":0})");
}

core::ModelPlan StreamPlan() {
  core::ModelPlan plan = MakePlan("stream");
  plan.decoupled = true;
  return plan;
}

TEST(Stream, IsDecoupledOrNotLoaded) {
  EXPECT_EQ(BackendNamed("stream")->Load(MakePlan("stream")).status().message(),
            "stream: model 'm' answers many times: expected model_transaction_policy "
            "{ decoupled: true }");
}

TEST(Stream, FailsWhereItIsTold) {
  Loaded stream = Load(With(StreamPlan(), "fail_at", "2"));
  RequestBuilder request;
  request.Input(0, DataType::kInt32, {1, 1}, Pack<int32_t>({7}));
  TestBatch batch(stream.plan);
  batch.AddRequest(&request.request());
  ASSERT_TRUE(batch.Run(*stream.instance).ok());
  const auto& responses = request.sink()->responses();
  ASSERT_EQ(responses.size(), 3u);
  EXPECT_EQ(responses[1].status.message(), "stream: told to fail here");
  EXPECT_TRUE(responses[2].status.ok());
  EXPECT_EQ(stream.Control("{}"), R"({"executed":1,"sent":3})");
}

TEST(Stream, AnswersEachRequestManyTimesAndEndsOnce) {
  for (const char* empty_final : {"false", "true"}) {
    Loaded stream = Load(With(StreamPlan(), "empty_final", empty_final));
    EXPECT_TRUE(stream.backend->answers_itself());
    RequestBuilder request;
    request.InputInParts(0, DataType::kInt32, {1, 2}, {Pack<int32_t>({7}), Pack<int32_t>({8})});
    TestBatch batch(stream.plan);
    batch.AddRequest(&request.request());
    ASSERT_TRUE(batch.Run(*stream.instance).ok());
    const auto& responses = request.sink()->responses();
    ASSERT_EQ(responses.size(), empty_final == std::string("true") ? 4u : 3u);
    EXPECT_EQ(responses[2].outputs[0].bytes, Pack<int32_t>({7, 8}));
    EXPECT_EQ(responses.back().outputs.empty(), empty_final == std::string("true"));
  }
}

TEST(Stream, StopsForAClientThatLeft) {
  Loaded stream = Load(StreamPlan());
  RequestBuilder request;
  request.Input(0, DataType::kInt32, {1, 1}, Pack<int32_t>({7}));
  request.sink()->Cancel();
  TestBatch batch(stream.plan);
  batch.AddRequest(&request.request());
  ASSERT_TRUE(batch.Run(*stream.instance).ok());
  EXPECT_EQ(request.sink()->responses().size(), 1u);
  EXPECT_EQ(request.sink()->responses()[0].status.code(), base::StatusCode::kCancelled);
}

TEST(FlatJson, ReadsFlatObjects) {
  const auto json =
      FlatJson::Parse(" { \"a\" : 12 , \"b\":\"x y\",\"c\":true, \"d\":false,\"e\":-3 } ");
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json.value().Count("a", 0).value(), 12);
  EXPECT_EQ(json.value().Text("b", "").value(), "x y");
  EXPECT_EQ(json.value().Count("none", 9).value(), 9);
  EXPECT_FALSE(json.value().Count("b", 0).ok());
  EXPECT_FALSE(json.value().Count("c", 0).ok());
  EXPECT_FALSE(json.value().Count("e", 0).ok());
  EXPECT_FALSE(json.value().Text("a", "").ok());
  EXPECT_TRUE(FlatJson::Parse("{}").ok());
}

TEST(FlatJson, RefusesEverythingElse) {
  for (const char* text : {"", "{", "}", "[]", "{\"a\"}", "{\"a\":}", "{\"a\":1", "{\"a\":1,}",
                           "{a:1}", "{\"a\":1}x", "{\"a\":[1]}", "{\"a\":\"\\n\"}", "{\"a\":\"x}",
                           "{\"a\":99999999999999999999}", "{\"a\":null}"}) {
    EXPECT_FALSE(FlatJson::Parse(text).ok()) << text;
  }
}

}  // namespace
}  // namespace serving::backend
