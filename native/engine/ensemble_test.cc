// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/validate.h"
#include "testing/model_harness.h"
#include "testing/requests.h"
#include "testing/scripted_instance.h"

namespace serving::engine {
namespace {

using testing::FindBackend;
using testing::Pack;
using testing::Pending;
using testing::RequestBuilder;

using Links = std::vector<std::pair<std::string, std::string>>;
struct StepOf {
  std::string model;
  Links inputs;
  Links outputs;
};

core::ModelPlan EnsemblePlanOf(std::string name, std::vector<std::string> inputs,
                               std::vector<std::string> outputs, std::vector<StepOf> steps) {
  core::ModelPlan plan = testing::MakePlan("");
  plan.name = std::move(name);
  plan.inputs.clear();
  plan.outputs.clear();
  core::EnsemblePlan ensemble;
  const auto index_of = [&](const std::string& tensor) {
    const auto found = std::ranges::find(ensemble.tensors, tensor);
    const auto index = static_cast<uint32_t>(found - ensemble.tensors.begin());
    if (found == ensemble.tensors.end()) ensemble.tensors.push_back(tensor);
    return index;
  };
  const auto tensor = [](const std::string& tensor_name) {
    return testing::Tensor(tensor_name, tensor::DataType::kInt32, {-1});
  };
  for (const std::string& input : inputs) {
    plan.inputs.push_back(tensor(input));
    ensemble.inputs.push_back(index_of(input));
  }
  for (const StepOf& step : steps) {
    core::EnsembleStepPlan& made = ensemble.steps.emplace_back();
    made.model = step.model;
    for (const auto& [own, shared] : step.inputs) made.inputs.push_back({own, index_of(shared)});
    for (const auto& [own, shared] : step.outputs) made.outputs.push_back({own, index_of(shared)});
  }
  for (const std::string& output : outputs) {
    plan.outputs.push_back(tensor(output));
    ensemble.outputs.push_back(index_of(output));
  }
  plan.ensemble = std::move(ensemble);
  return plan;
}

StepOf Single(std::string model, std::string from, std::string to) {
  return {std::move(model), {{"INPUT0", std::move(from)}}, {{"OUTPUT0", std::move(to)}}};
}

// Tells when requests are done with, which is after their answers.
class CountingHome final : public core::RequestHome {
 public:
  void Recycle(core::InferRequest* request) override {
    delete request;
    ++count_;
    count_.notify_all();
  }
  void Await(int requests) {
    for (int count = count_; count < requests; count = count_) count_.wait(count);
  }

 private:
  std::atomic<int> count_{0};
};

class EnsembleTest : public ::testing::Test {
 protected:
  EnsembleTest() : engine_({.memory_limit_bytes = 64 << 20}) {
    engine_.Register(FindBackend("identity"));
    for (auto& backend : backend::MakeTestBackends()) engine_.Register(std::move(backend));
    engine_.Register(std::make_unique<testing::ScriptedBackend>(
        [this](backend::Batch& batch) { script_(batch); }));
  }
  ~EnsembleTest() override { engine_.Stop(); }

  ModelHandle Load(std::string backend, std::string name,
                   std::map<std::string, std::string> parameters = {}) {
    core::ModelPlan plan = testing::MakePlan(backend);
    plan.name = name;
    plan.parameters = std::move(parameters);
    plan.decoupled = backend == "stream";
    return handles_[std::move(name)] = engine_.Load(std::move(plan)).Take();
  }
  ModelHandle Load(core::ModelPlan plan) {
    const std::string name = plan.name;
    if (plan.ensemble) {
      steps_[name].clear();
      for (const auto& step : plan.ensemble->steps) steps_[name].push_back(step.model);
    }
    return handles_[name] = engine_.Load(std::move(plan)).Take();
  }
  void Publish() {
    auto table = base::MakeRef<DispatchTable>();
    std::vector<EnsembleSteps> ensembles;
    for (const auto& [name, models] : steps_) {
      EnsembleSteps& steps = ensembles.emplace_back();
      steps.ensemble = handles_.at(name);
      for (const std::string& model : models) steps.models.push_back(handles_.at(model));
    }
    auto bound = engine_.Bind(ensembles);
    ASSERT_TRUE(bound.ok()) << bound.status().message();
    table->ensembles = bound.Take();
    engine_.SetTable(std::move(table));
    engine_.Settle();
  }
  base::Ref<model::Servable> Find(const std::string& name) {
    return engine_.Find(handles_.at(name));
  }
  std::string Control(const std::string& name, std::string_view json) {
    return Find(name)->Control(json).Take();
  }
  void AwaitAtGate(const std::string& name, int waiting) {
    Control(name, R"({"action":"await","waiting":)" + std::to_string(waiting) + "}");
  }
  void Open(const std::string& name) { Control(name, R"({"action":"open"})"); }

  // Bytes that steps read of others; of them copied bytes and tensors.
  std::vector<uint64_t> HandOverOf(const std::string& name) {
    const metrics::HandOverStatistics counted = *Find(name)->Statistics().hand_over;
    return {counted.bytes, counted.copied_bytes, counted.copied_tensors};
  }

  // A request of one row with a number for each input of the plan.
  Pending Ask(const std::string& name, std::vector<std::string> wanted = {}, int inputs = -1) {
    const auto servable = Find(name);
    const core::ModelPlan& plan = servable->plan();
    RequestBuilder builder;
    const std::string bytes = Pack<int32_t>({++next_});
    const size_t count = inputs < 0 ? plan.inputs.size() : static_cast<size_t>(inputs);
    for (uint32_t slot = 0; slot < count; ++slot) {
      builder.Input(slot, tensor::DataType::kInt32, {1, 1}, bytes);
      builder.request().inputs.back().name = plan.inputs[slot].tensor.name;
    }
    for (const std::string& output : wanted) builder.request().wanted.push_back({.name = output});
    const base::Status valid = Validate(plan, builder.request());
    EXPECT_TRUE(valid.ok()) << valid.message();
    builder.request().home = &home_;
    builder.request().timeout_us = timeout_us_;
    Pending pending{builder.sink(), bytes};
    model::RequestChain chain;
    chain.Append(builder.Take());
    servable->Submit(std::move(chain), nullptr);
    return pending;
  }

  CountingHome home_;
  testing::ScriptedInstance::Script script_;
  Engine engine_;
  std::map<std::string, ModelHandle> handles_;
  std::map<std::string, std::vector<std::string>> steps_;
  int32_t next_ = 0;
  uint64_t timeout_us_ = 0;  // of requests to come; 0 = none
};

TEST_F(EnsembleTest, HandsTensorsOnWithoutACopy) {
  std::mutex mutex;
  std::vector<const std::byte*> read;
  std::vector<const std::byte*> made;
  script_ = [&](backend::Batch& batch) {
    const backend::BatchInput& input = batch.inputs()[0];
    backend::BatchOutput& output = batch.outputs()[0];
    output = {.data_type = input.data_type,
              .shape = input.shape,
              .view = {},
              .owner = batch.Allocate(input.view.size)};
    std::memcpy(output.owner->data(), input.view.data, input.view.size);
    output.view = {.data = output.owner->data(), .size = input.view.size};
    {
      std::lock_guard lock(mutex);
      read.push_back(input.view.data);
      made.push_back(output.view.data);
    }
    batch.Complete({});
  };
  for (const char* name : {"a", "b", "c"}) Load("scripted", name);
  Load(EnsemblePlanOf("e", {"X"}, {"Y"},
                      {Single("a", "X", "t"), Single("b", "t", "u"), Single("c", "u", "Y")}));
  Publish();
  const Pending pending = Ask("e");
  ASSERT_TRUE(pending.is_echoed()) << pending.message();
  ASSERT_EQ(read.size(), 3u);
  EXPECT_EQ(read[1], made[0]);
  EXPECT_EQ(read[2], made[1]);
  EXPECT_EQ(pending.Wait().outputs[0].address, made[2]);
  EXPECT_EQ(HandOverOf("e"), (std::vector<uint64_t>{2 * sizeof(int32_t), 0, 0}));
}

TEST_F(EnsembleTest, CountsWhatIsCopiedBetweenSteps) {
  // Models get aligned numbers, so what begins in the middle of one is copied for them.
  script_ = [](backend::Batch& batch) {
    const backend::BatchInput& input = batch.inputs()[0];
    backend::BatchOutput& output = batch.outputs()[0];
    output = {.data_type = input.data_type,
              .shape = input.shape,
              .view = {},
              .owner = batch.Allocate(input.view.size + 1)};
    std::byte* const place = output.owner->data() + 1;
    std::memcpy(place, input.view.data, input.view.size);
    output.view = {.data = place, .size = input.view.size};
    batch.Complete({});
  };
  Load("scripted", "odd");
  Load("identity", "m");
  Load(EnsemblePlanOf("e", {"X"}, {"Y"},
                      {Single("odd", "X", "t"), Single("m", "t", "u"), Single("m", "u", "Y")}));
  Load(EnsemblePlanOf("outer", {"X"}, {"Y"},
                      {Single("m", "X", "t"), {"e", {{"X", "t"}}, {{"Y", "Y"}}}}));
  Publish();
  ASSERT_TRUE(Ask("e").is_echoed());
  EXPECT_EQ(HandOverOf("e"), (std::vector<uint64_t>{8, 4, 1}));
  // Counted by the ensemble whose step gets the copy.
  ASSERT_TRUE(Ask("outer").is_echoed());
  EXPECT_EQ(HandOverOf("outer"), (std::vector<uint64_t>{4, 0, 0}));
  EXPECT_EQ(HandOverOf("e"), (std::vector<uint64_t>{16, 8, 2}));
}

TEST_F(EnsembleTest, StartsBranchesTogetherAndJoinsThem) {
  Load("gate", "left", {{"closed", "true"}});
  Load("gate", "right", {{"closed", "true"}});
  Load(EnsemblePlanOf("e", {"X"}, {"Y", "Z"},
                      {Single("left", "X", "Y"), Single("right", "X", "Z")}));
  Publish();
  const Pending pending = Ask("e");
  AwaitAtGate("left", 1);
  AwaitAtGate("right", 1);
  Open("right");
  EXPECT_FALSE(pending.sink->is_answered());
  Open("left");
  EXPECT_EQ(pending.Wait().outputs.size(), 2u);
}

TEST_F(EnsembleTest, AnswersOnceWhateverStepFails) {
  Load("identity", "m");
  Load("poison", "bad", {{"message", "poisoned"}});
  for (int failing = 0; failing < 3; ++failing) {
    std::vector<StepOf> steps;
    const char* tensors[] = {"X", "t", "u", "Y"};
    for (int i = 0; i < 3; ++i) {
      steps.push_back(Single(i == failing ? "bad" : "m", tensors[i], tensors[i + 1]));
    }
    Load(EnsemblePlanOf("e", {"X"}, {"Y"}, steps));
    Publish();
    EXPECT_EQ(Ask("e").message(), "in ensemble 'e', poisoned");
  }
}

TEST_F(EnsembleTest, AFailedBranchWaitsForTheOther) {
  Load("gate", "slow", {{"closed", "true"}});
  Load("poison", "bad", {{"message", "poisoned"}});
  Load("identity", "m");
  Load(EnsemblePlanOf("e", {"X"}, {"Y", "Z"},
                      {Single("slow", "X", "t"), Single("bad", "X", "Z"), Single("m", "t", "Y")}));
  Publish();
  const Pending pending = Ask("e");
  AwaitAtGate("slow", 1);
  Ask("bad").Wait();  // one after the other: the step has failed before
  EXPECT_FALSE(pending.sink->is_answered());
  Open("slow");
  EXPECT_EQ(pending.message(), "in ensemble 'e', poisoned");
  EXPECT_EQ(Find("m")->Statistics().received, 0u);
  EXPECT_EQ(Find("e")->Statistics().fail.count, 1u);
}

TEST_F(EnsembleTest, ACancelledRequestLeavesTheQueueOfItsStep) {
  Load("gate", "slow", {{"closed", "true"}});
  Load("identity", "m");
  Load(EnsemblePlanOf("e", {"X"}, {"Y"}, {Single("slow", "X", "t"), Single("m", "t", "Y")}));
  Load(EnsemblePlanOf("outer", {"X"}, {"Y"}, {{"e", {{"X", "X"}}, {{"Y", "Y"}}}}));
  Publish();
  const Pending running = Ask("outer");
  AwaitAtGate("slow", 1);
  const Pending queued = Ask("outer");
  const Pending also_queued = Ask("outer");
  queued.sink->Cancel();
  EXPECT_TRUE(Find("outer")->RemoveQueued(queued.sink.get(),
                                          base::Cancelled("Request is cancelled"),
                                          metrics::FailureReason::kCanceled));
  EXPECT_EQ(
      queued.message(),
      "in ensemble 'outer', in ensemble 'e', [request id: <id_unknown>] Request is cancelled");
  also_queued.sink->Cancel();
  Find("outer")->RemoveQueued(also_queued.sink.get(), base::Cancelled("Request is cancelled"),
                              metrics::FailureReason::kCanceled);
  EXPECT_EQ(also_queued.Wait().status.code(), base::StatusCode::kCancelled);
  // What runs ends, and nothing begins behind it.
  running.sink->Cancel();
  Open("slow");
  EXPECT_EQ(running.Wait().status.code(), base::StatusCode::kCancelled);
  EXPECT_EQ(Find("slow")->Statistics().execution_count, 1u);
  EXPECT_EQ(Find("m")->Statistics().received, 0u);
}

TEST_F(EnsembleTest, RefusesWhatIsOutOfTimeInTheQueueOfAStepWhileItsModelIsBusy) {
  core::ModelPlan busy = testing::MakePlan("gate");
  busy.name = "slow";
  busy.parameters = {{"closed", "true"}};
  busy.queue.default_timeout = std::chrono::hours(1);
  busy.queue.allow_timeout_override = true;
  Load(std::move(busy));
  Load("identity", "m");
  Load(EnsemblePlanOf("first", {"X"}, {"Y"}, {Single("slow", "X", "t"), Single("m", "t", "Y")}));
  Load(EnsemblePlanOf("last", {"X"}, {"Y"}, {Single("m", "X", "t"), Single("slow", "t", "Y")}));
  Load(EnsemblePlanOf("outer", {"X"}, {"Y"}, {{"last", {{"X", "X"}}, {{"Y", "Y"}}}}));
  Publish();
  const Pending running = Ask("slow");
  AwaitAtGate("slow", 1);
  timeout_us_ = 1000;
  for (const std::string name : {"first", "last", "outer"}) {
    std::vector<Pending> waiting;
    for (int i = 0; i < 10; ++i) waiting.push_back(Ask(name));
    for (const Pending& pending : waiting) {
      EXPECT_EQ(pending.Wait().status.code(), base::StatusCode::kUnavailable);
      EXPECT_NE(pending.message().find("Request timeout expired"), std::string::npos);
    }
  }
  EXPECT_FALSE(running.sink->is_answered());
  Open("slow");
  EXPECT_TRUE(running.Wait().status.ok());
}

TEST_F(EnsembleTest, RunsOnlyWhatLeadsToTheOutputsWanted) {
  Load("identity", "m");
  Load("poison", "bad");
  Load(EnsemblePlanOf("e", {"X"}, {"Y", "Z"},
                      {Single("m", "X", "Y"), Single("m", "X", "t"), Single("bad", "t", "Z")}));
  Publish();
  EXPECT_TRUE(Ask("e", {"Y"}).is_echoed());
  EXPECT_EQ(Find("bad")->Statistics().received, 0u);
  EXPECT_EQ(Find("m")->Statistics().received, 1u);
}

TEST_F(EnsembleTest, AnswersAsOftenAsItsDecoupledStep) {
  Load("stream", "three", {{"responses", "3"}});
  Load("identity", "m");
  core::ModelPlan plan =
      EnsemblePlanOf("e", {"X"}, {"Y"}, {Single("three", "X", "t"), Single("m", "t", "Y")});
  plan.decoupled = true;
  Load(std::move(plan));
  Publish();
  const Pending pending = Ask("e");
  size_t with_output = 0;
  for (const auto& response : pending.sink->responses()) {
    EXPECT_TRUE(response.status.ok()) << response.status.message();
    with_output += response.outputs.size();
  }
  EXPECT_EQ(with_output, 3u);
}

TEST_F(EnsembleTest, HoldsAStreamBackThatIsAhead) {
  Load("stream", "many", {{"responses", "1000"}});
  Load("gate", "slow", {{"closed", "true"}});
  core::ModelPlan plan =
      EnsemblePlanOf("e", {"X"}, {"Y"}, {Single("many", "X", "t"), Single("slow", "t", "Y")});
  plan.decoupled = true;
  plan.ensemble->max_inflight_requests = 2;
  Load(std::move(plan));
  Publish();
  const Pending pending = Ask("e");
  AwaitAtGate("slow", 1);
  EXPECT_LE(Find("slow")->Statistics().received, 2u);
  Open("slow");
  size_t with_output = 0;
  for (const auto& response : pending.sink->responses()) with_output += response.outputs.size();
  EXPECT_EQ(with_output, 1000u);
  home_.Await(1);
  EXPECT_EQ(HandOverOf("e"), (std::vector<uint64_t>{1000 * sizeof(int32_t), 0, 0}));
}

TEST_F(EnsembleTest, LeavesOptionalInputsOut) {
  core::ModelPlan member = testing::MakePlan("identity");
  member.name = "m";
  member.inputs.push_back(testing::Tensor("INPUT1", tensor::DataType::kInt32, {-1}));
  member.outputs.push_back(testing::Tensor("OUTPUT1", tensor::DataType::kInt32, {-1}));
  member.inputs[1].optional = true;
  Load(std::move(member));
  core::ModelPlan plan = EnsemblePlanOf(
      "e", {"X", "W"}, {"Y"}, {{"m", {{"INPUT0", "X"}, {"INPUT1", "W"}}, {{"OUTPUT0", "Y"}}}});
  plan.inputs[1].optional = true;
  Load(std::move(plan));
  Publish();
  EXPECT_TRUE(Ask("e", {}, 1).is_echoed());
  EXPECT_TRUE(Ask("e", {}, 2).is_echoed());
}

TEST_F(EnsembleTest, LimitsTheRequestsOfAStep) {
  Load("gate", "slow", {{"closed", "true"}});
  core::ModelPlan plan = EnsemblePlanOf("e", {"X"}, {"Y"}, {Single("slow", "X", "Y")});
  plan.ensemble->max_inflight_requests = 1;
  Load(std::move(plan));
  Publish();
  std::vector<Pending> pending;
  for (int i = 0; i < 4; ++i) pending.push_back(Ask("e"));
  EXPECT_EQ(Find("slow")->Statistics().received, 1u);
  pending[2].sink->Cancel();
  EXPECT_TRUE(Find("e")->RemoveQueued(pending[2].sink.get(),
                                      base::Cancelled("Request is cancelled"),
                                      metrics::FailureReason::kCanceled));
  EXPECT_EQ(pending[2].Wait().status.code(), base::StatusCode::kCancelled);
  Open("slow");
  for (const int i : {0, 1, 3}) EXPECT_TRUE(pending[static_cast<size_t>(i)].is_echoed());
  EXPECT_EQ(Find("slow")->Statistics().received, 3u);
}

TEST_F(EnsembleTest, WaitsAtTheDoorWhileTheRequestsInsideHoldTooMuch) {
  Load("burst", "burst", {{"factor", "50"}});
  Load("gate", "slow", {{"closed", "true"}});
  core::ModelPlan plan =
      EnsemblePlanOf("e", {"X"}, {"Y"}, {Single("burst", "X", "t"), Single("slow", "t", "Y")});
  plan.ensemble->max_inflight_bytes = 2000;  // a request holds 400, what burst and slow have made
  plan.queue.max_queue_size = 20;
  Load(std::move(plan));
  Publish();
  Open("slow");
  ASSERT_TRUE(Ask("e").Wait().status.ok());
  home_.Await(1);
  Control("slow", R"({"action":"close"})");
  std::vector<Pending> pending;
  for (int i = 0; i < 26; ++i) pending.push_back(Ask("e"));
  AwaitAtGate("slow", 1);
  EXPECT_EQ(Find("burst")->Statistics().received, 1u + 5u);
  EXPECT_EQ(Find("e")->Statistics().queued, 20u);
  EXPECT_EQ(pending[25].message(), "[request id: <id_unknown>] Exceeds maximum queue size");
  Open("slow");
  for (size_t i = 0; i < 25; ++i) EXPECT_TRUE(pending[i].Wait().status.ok());
  EXPECT_EQ(Find("e")->Statistics().queued, 0u);
}

TEST_F(EnsembleTest, ARequestKeepsTheModelsItBeganWith) {
  Load("gate", "slow", {{"closed", "true"}});
  const ModelHandle old = Load("identity", "m");
  Load(EnsemblePlanOf("e", {"X"}, {"Y"}, {Single("slow", "X", "t"), Single("m", "t", "Y")}));
  Publish();
  const auto old_model = engine_.Find(old);
  const Pending before = Ask("e");
  AwaitAtGate("slow", 1);
  Load("identity", "m");
  Publish();
  auto unloaded = std::async(std::launch::async, [&] { return engine_.Unload(old); });
  Open("slow");
  EXPECT_TRUE(before.is_echoed()) << before.message();
  EXPECT_TRUE(unloaded.get().ok());
  EXPECT_EQ(old_model->Statistics().received, 1u);
  EXPECT_TRUE(Ask("e").is_echoed());
  EXPECT_EQ(Find("m")->Statistics().received, 1u);
}

TEST_F(EnsembleTest, FitsShapesBetweenModelsWithAndWithoutRows) {
  core::ModelPlan member = testing::MakePlan("identity", 0);
  member.name = "flat";
  Load(std::move(member));
  Load("identity", "m");
  Load(EnsemblePlanOf("e", {"X"}, {"Y"}, {Single("flat", "X", "t"), Single("m", "t", "Y")}));
  Publish();
  const Pending pending = Ask("e");
  ASSERT_TRUE(pending.is_echoed()) << pending.message();
  EXPECT_EQ(pending.Wait().outputs[0].shape, (std::vector<int64_t>{1, 1}));
}

TEST_F(EnsembleTest, CountsAsTritonDoes) {
  Load("identity", "m");
  Load(EnsemblePlanOf("e", {"X"}, {"Y"}, {Single("m", "X", "t"), Single("m", "t", "Y")}));
  Publish();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Ask("e").is_echoed());
  const metrics::ModelStatistics counted = Find("e")->Statistics();
  EXPECT_EQ(counted.received, 3u);
  EXPECT_EQ(counted.pending, 0u);
  EXPECT_EQ(counted.success.count, 3u);
  EXPECT_EQ(counted.execution_count, 3u);
  EXPECT_EQ(counted.inference_count, 3u);
  EXPECT_EQ(counted.batches.at(1).compute_infer.count, 3u);
  EXPECT_EQ(Find("m")->Statistics().success.count, 6u);
}

TEST_F(EnsembleTest, AnswersEveryRequestOfManyThreads) {
  Load("identity", "m");
  Load("poison", "bad", {{"message", "poisoned"}});
  Load(EnsemblePlanOf("e", {"X"}, {"Y"}, {Single("m", "X", "t"), Single("m", "t", "Y")}));
  Load(EnsemblePlanOf("outer", {"X"}, {"Y", "Z"},
                      {{"e", {{"X", "X"}}, {{"Y", "Y"}}}, {"e", {{"X", "Y"}}, {{"Y", "Z"}}}}));
  Publish();
  const auto outer = Find("outer");
  std::atomic<int> echoed{0};
  const auto ask = [&](int thread) {
    for (int32_t i = 0; i < 200; ++i) {
      RequestBuilder builder;
      const std::string bytes = Pack<int32_t>({thread * 1000 + i});
      builder.Input(0, tensor::DataType::kInt32, {1, 1}, bytes);
      builder.request().inputs.back().name = "X";
      const auto sink = builder.sink();
      model::RequestChain chain;
      chain.Append(builder.Take());
      model::InlineAllowance allowance{std::chrono::milliseconds(1)};
      outer->Submit(std::move(chain), thread % 2 == 0 ? &allowance : nullptr);
      const auto& outputs = sink->Wait().outputs;
      if (outputs.size() == 2 && outputs[0].bytes == bytes && outputs[1].bytes == bytes) ++echoed;
    }
  };
  std::vector<std::future<void>> threads;
  for (int i = 0; i < 4; ++i) threads.push_back(std::async(std::launch::async, ask, i));
  for (auto& thread : threads) thread.get();
  EXPECT_EQ(echoed, 800);
  EXPECT_EQ(HandOverOf("outer"), (std::vector<uint64_t>{800 * sizeof(int32_t), 0, 0}));
  EXPECT_EQ(HandOverOf("e"), (std::vector<uint64_t>{1600 * sizeof(int32_t), 0, 0}));
}

}  // namespace
}  // namespace serving::engine
