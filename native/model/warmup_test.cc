// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/warmup.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <future>
#include <mutex>
#include <thread>

#include "backend/copy_inputs.h"
#include "gtest/gtest.h"
#include "model/model.h"
#include "testing/model_harness.h"
#include "testing/scripted_instance.h"

namespace serving::model {
namespace {

using backend::Batch;
using core::WarmupInput;
using serving::testing::FindBackend;
using serving::testing::MakePlan;
using serving::testing::ModelHarness;
using serving::testing::Pack;
using serving::testing::PackStrings;
using serving::testing::ScriptedBackend;
using serving::testing::Tensor;
using serving::testing::Unlimited;
using serving::testing::Unpack;
using tensor::DataType;

// Names become slots; the engine's checks are its own tests' matter.
base::Status Bind(const core::ModelPlan& plan, core::InferRequest& request) {
  for (core::InputTensor& input : request.inputs) {
    for (uint32_t slot = 0; slot < plan.inputs.size(); ++slot) {
      if (plan.inputs[slot].tensor.name == input.name) input.slot = slot;
    }
    if (input.slot == core::kNoSlot) return base::InvalidArgument("no such input");
  }
  request.batch_size = plan.max_batch_size > 0 ? request.inputs[0].shape[0] : 1;
  return {};
}

WarmupInput Input(WarmupInput::Source source, std::string bytes = "",
                  DataType type = DataType::kInt32, std::vector<int64_t> dims = {2}) {
  return {"INPUT0", type, tensor::Shape(dims), source, std::move(bytes)};
}

core::ModelPlan Warming(core::ModelPlan plan, WarmupInput input, int64_t batch_size = 1,
                        int64_t count = 1) {
  plan.warmup.push_back({"cold start", batch_size, count, {std::move(input)}});
  return plan;
}

auto Load(core::ModelPlan plan, backend::Backend& backend, size_t memory = SIZE_MAX / 2) {
  return Model::Load(std::move(plan), backend,
                     {.budget = std::make_shared<base::MemoryBudget>(memory), .validate = &Bind});
}

// What instances were asked to run. Copies inputs to outputs.
class Recorder {
 public:
  explicit Recorder(bool may_run_inline = false)
      : backend_([this](Batch& batch) { Execute(batch); }, may_run_inline) {}

  backend::Backend& backend() { return backend_; }
  std::vector<int64_t> rows;
  std::vector<std::string> bytes;

 private:
  void Execute(Batch& batch) {
    rows.push_back(batch.rows());
    bytes.emplace_back(serving::testing::TextOf(batch.inputs()[0].view));
    batch.Complete(backend::CopyInputs("scripted", batch));
  }

  ScriptedBackend backend_;
};

TEST(Warmup, RunsEverySampleAsOftenAsItSaysOnEveryInstance) {
  Recorder recorder;
  core::ModelPlan plan = MakePlan("scripted");
  plan.instance_count = 2;
  plan = Warming(std::move(plan), Input(WarmupInput::Source::kZero), 3, 2);
  plan = Warming(std::move(plan), Input(WarmupInput::Source::kZero), 1, 1);
  ASSERT_TRUE(Load(std::move(plan), recorder.backend()).ok());
  EXPECT_EQ(recorder.rows, (std::vector<int64_t>{3, 3, 1, 3, 3, 1}));
}

TEST(Warmup, IsNoRequestOfAClient) {
  Recorder recorder;
  auto model = Load(Warming(MakePlan("scripted"), Input(WarmupInput::Source::kZero), 2, 5),
                    recorder.backend());
  ASSERT_TRUE(model.ok());
  const metrics::ModelStatistics statistics = model.value()->Statistics();
  EXPECT_EQ(statistics.received, 0u);
  EXPECT_EQ(statistics.success.count, 0u);
  EXPECT_EQ(statistics.execution_count, 0u);
  EXPECT_TRUE(model.value()->plan().warmup.empty());
}

TEST(Warmup, ComesBeforeShortBatchesAreMeasured) {
  Recorder recorder(true);
  ASSERT_TRUE(Load(Warming(MakePlan("scripted"), Input(WarmupInput::Source::kZero), 7, 2),
                   recorder.backend())
                  .ok());
  ASSERT_GT(recorder.rows.size(), 2u);
  EXPECT_EQ(recorder.rows[0], 7);
  EXPECT_EQ(recorder.rows[1], 7);
  EXPECT_EQ(recorder.rows[2], 1);
}

TEST(Warmup, GivesZerosAndTheBytesOfFiles) {
  Recorder recorder;
  const std::string row = Pack<int32_t>({5, -6});
  core::ModelPlan plan = Warming(MakePlan("scripted"), Input(WarmupInput::Source::kZero), 2);
  plan = Warming(std::move(plan), Input(WarmupInput::Source::kBytes, row), 2);
  ASSERT_TRUE(Load(std::move(plan), recorder.backend()).ok());
  EXPECT_EQ(recorder.bytes, (std::vector<std::string>{std::string(16, '\0'), row + row}));
}

TEST(Warmup, GivesStringsOfFilesAndEmptyOnesForTheRest) {
  Recorder recorder;
  const std::string row = PackStrings({"a", "bc"});
  core::ModelPlan plan = MakePlan("scripted", 8, DataType::kBytes, {2});
  for (const auto source : {WarmupInput::Source::kZero, WarmupInput::Source::kRandom}) {
    plan = Warming(std::move(plan), Input(source, "", DataType::kBytes));
  }
  plan = Warming(std::move(plan), Input(WarmupInput::Source::kBytes, row, DataType::kBytes));
  ASSERT_TRUE(Load(std::move(plan), recorder.backend()).ok());
  const std::string empty = PackStrings({"", ""});
  EXPECT_EQ(recorder.bytes, (std::vector<std::string>{empty, empty, row}));
}

TEST(Warmup, GivesRealNumbersOfZeroToOneThatAreTheSameAtEveryLoad) {
  std::vector<std::string> loads;
  for (int load = 0; load < 2; ++load) {
    Recorder recorder;
    core::ModelPlan plan = MakePlan("scripted", 8, DataType::kFp32, {100});
    plan =
        Warming(std::move(plan), Input(WarmupInput::Source::kRandom, "", DataType::kFp32, {100}));
    ASSERT_TRUE(Load(std::move(plan), recorder.backend()).ok());
    loads.push_back(recorder.bytes.at(0));
  }
  EXPECT_EQ(loads[0], loads[1]);
  const auto numbers = Unpack<float>(loads[0]);
  EXPECT_TRUE(std::ranges::all_of(numbers, [](float x) { return x >= 0 && x <= 1; }));
  EXPECT_NE(std::ranges::min(numbers), std::ranges::max(numbers));
}

TEST(Warmup, GivesBooleansThatAreZeroOrOne) {
  Recorder recorder;
  core::ModelPlan plan = MakePlan("scripted", 8, DataType::kBool, {64});
  plan = Warming(std::move(plan), Input(WarmupInput::Source::kRandom, "", DataType::kBool, {64}));
  ASSERT_TRUE(Load(std::move(plan), recorder.backend()).ok());
  EXPECT_TRUE(std::ranges::all_of(recorder.bytes.at(0), [](char bit) { return bit < 2; }));
}

TEST(Warmup, AFailingSampleIsAFailedLoadInTritonsWords) {
  int executed = 0;
  ScriptedBackend backend([&](Batch& batch) {
    ++executed;
    batch.Complete(base::Internal("out of tea"));
  });
  core::ModelPlan plan = Warming(MakePlan("scripted"), Input(WarmupInput::Source::kZero), 2, 9);
  plan.instance_count = 2;
  const auto model = Load(std::move(plan), backend);
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.status().code(), base::StatusCode::kInvalidArgument);
  EXPECT_EQ(model.status().message(),
            "failed to run warmup sample 'cold start': out of tea; out of tea; ");
  EXPECT_EQ(executed, 1);
}

TEST(Warmup, APoisonedInstanceIsAFailedLoad) {
  base::Status answer;
  ScriptedBackend backend([&](Batch& batch) {
    batch.Poison("device lost");
    batch.Complete(answer.ok() ? backend::CopyInputs("scripted", batch) : answer);
  });
  const auto message = [&] {
    return Load(Warming(MakePlan("scripted"), Input(WarmupInput::Source::kZero)), backend)
        .status()
        .message();
  };
  EXPECT_EQ(message(),
            "failed to run warmup sample 'cold start': instance poisoned: device lost; ");
  answer = base::Internal("onnx runtime error 5: device lost");
  EXPECT_EQ(message(),
            "failed to run warmup sample 'cold start': onnx runtime error 5: device lost; ");
}

TEST(Warmup, AnInstancePoisonedByMeasuringIsAFailedLoad) {
  ScriptedBackend backend(
      [](Batch& batch) {
        batch.Poison("device lost");
        batch.Complete(backend::CopyInputs("scripted", batch));
      },
      true);
  EXPECT_EQ(Load(MakePlan("scripted"), backend).status().message(),
            "an instance of model 'm' was poisoned by a batch of zeros: device lost");
}

TEST(Warmup, ASampleThatIsNoRequestOfTheModelIsRefusedBeforeAnythingRuns) {
  Recorder recorder;
  core::ModelPlan plan = Warming(MakePlan("scripted"), Input(WarmupInput::Source::kZero));
  WarmupInput other = Input(WarmupInput::Source::kZero);
  other.name = "OTHER";
  plan = Warming(std::move(plan), other);
  EXPECT_EQ(Load(std::move(plan), recorder.backend()).status().message(), "no such input");
  EXPECT_TRUE(recorder.rows.empty());
}

TEST(Warmup, WaitsForExecutionsThatEndOnOtherThreads) {
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::vector<int64_t> rows;
  ScriptedBackend backend([&](Batch& batch) {
    threads.emplace_back([&] {
      {
        std::lock_guard lock(mutex);
        rows.push_back(batch.rows());
      }
      batch.Complete(backend::CopyInputs("scripted", batch));
    });
  });
  const auto model =
      Load(Warming(MakePlan("scripted"), Input(WarmupInput::Source::kZero), 4, 20), backend);
  EXPECT_TRUE(model.ok());
  EXPECT_EQ(rows, std::vector<int64_t>(20, 4));
  for (std::thread& thread : threads) thread.join();
}

TEST(Warmup, TakesEveryResponseOfADecoupledModel) {
  const auto backend = FindBackend("stream");
  core::ModelPlan plan = MakePlan("stream");
  plan.decoupled = true;
  plan.parameters = {{"responses", "5"}};
  auto model = Load(Warming(std::move(plan), Input(WarmupInput::Source::kZero), 2, 3), *backend);
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(model.value()->Control("{}").value(), R"({"executed":3,"sent":30})");
  EXPECT_TRUE(model.value()->Statistics().responses.empty());
}

TEST(Warmup, SaysWhenThereIsNoRoomForItsTensors) {
  Recorder recorder;
  core::ModelPlan plan = MakePlan("scripted", 8, DataType::kInt32, {-1});
  for (const int64_t elements : {int64_t{1} << 20, int64_t{1} << 62}) {
    core::ModelPlan large =
        Warming(plan, Input(WarmupInput::Source::kZero, "", DataType::kInt32, {elements}));
    const auto model = Load(std::move(large), recorder.backend(), 1 << 20);
    EXPECT_EQ(model.status().code(), base::StatusCode::kUnavailable);
    EXPECT_EQ(model.status().message(),
              "memory limit reached: no room for input 'INPUT0' of a warm-up of model 'm'");
  }
}

// ---- instances that were rebuilt

// A model of the backend `poison` that is warmed by 3 executions.
class Rebuilt : public ::testing::Test {
 protected:
  struct Counts {
    int failed = 0, executed = 0, rebuilt = 0;
    bool operator==(const Counts&) const = default;
  };
  Counts counts() {
    Counts counts;
    const int read =
        std::sscanf(model_.Control("{}").c_str(), R"({"failed":%d,"executed":%d,"rebuilt":%d})",
                    &counts.failed, &counts.executed, &counts.rebuilt);
    EXPECT_EQ(read, 3);
    return counts;
  }
  // The warm-up ends with an attempt to rebuild, or with the first execution that fails.
  void ExpectOneFailureThenAnEcho() {
    EXPECT_FALSE(model_.EnqueueOne().is_echoed());
    EXPECT_TRUE(model_.EnqueueOne().is_echoed());
    EXPECT_TRUE(model_->CanServe());
  }

  ModelHarness model_{Warming(MakePlan("poison"), Input(WarmupInput::Source::kZero), 2, 3), nullptr,
                      ModelOptions{.budget = Unlimited(),
                                   .validate = &Bind,
                                   .recovery = {.first_wait = std::chrono::milliseconds(1),
                                                .longest_wait = std::chrono::milliseconds(1),
                                                .most_attempts = 5}}};
};

TEST_F(Rebuilt, InstancesAreWarmedUpBeforeTheyServe) {
  EXPECT_EQ(counts(), (Counts{.executed = 3}));
  model_.Control(R"({"action":"poison"})");
  ExpectOneFailureThenAnEcho();
  EXPECT_EQ(counts(), (Counts{.failed = 1, .executed = 3 + 1 + 3 + 1, .rebuilt = 1}));
  const auto statistics = model_.Statistics();
  EXPECT_EQ(statistics.execution_count, 1u);
  EXPECT_EQ(statistics.rebuilds, 1u);
  EXPECT_EQ(statistics.instances.at(0).failed_attempts, 0);
}

TEST_F(Rebuilt, InstancesWhoseWarmupFailsAreRebuiltOnceMore) {
  model_.Control(R"({"action":"poison"})");
  model_.Control(R"({"action":"fail","count":2})");
  ExpectOneFailureThenAnEcho();
  EXPECT_EQ(counts(), (Counts{.failed = 3, .executed = 3 + 1 + 1 + 1 + 3 + 1, .rebuilt = 3}));
  const auto statistics = model_.Statistics();
  EXPECT_EQ(statistics.rebuilds, 1u);
  EXPECT_EQ(statistics.instances.at(0).failed_attempts, 2);
}

TEST_F(Rebuilt, InstancesPoisonedByTheirWarmupAreRebuiltOnceMore) {
  model_.Control(R"({"action":"poison","count":3})");
  ExpectOneFailureThenAnEcho();
  const auto statistics = model_.Statistics();
  EXPECT_EQ(statistics.poisonings, 1u);
  EXPECT_EQ(statistics.rebuilds, 1u);
  EXPECT_EQ(statistics.instances.at(0).failed_attempts, 2);
}

TEST_F(Rebuilt, InstancesWhoseWarmupFailsForEverAreLost) {
  model_.Control(R"({"action":"poison","message":"device lost"})");
  model_.Control(R"({"action":"fail","count":1000})");
  EXPECT_FALSE(model_.EnqueueOne().is_echoed());
  EXPECT_EQ(model_.EnqueueOne().message(),
            "[request id: <id_unknown>] model 'm' has no instance that works: failed to run warmup "
            "sample 'cold start': device lost; device lost; ");
  EXPECT_EQ(model_.Statistics().instances.at(0).failed_attempts, 5);
}

// The first execution that warms up the rebuilt instance ends when the model is being stopped.
TEST(WarmupOfARebuiltInstance, EndsWithItsModel) {
  std::atomic<int> executed{0};
  std::promise<void> rebuilding;
  std::promise<void> is_stopping;
  ScriptedBackend backend([&](Batch& batch) {
    const int number = ++executed;
    if (number == 3 + 1) batch.Poison("device lost");
    if (number == 3 + 1 + 1) {
      rebuilding.set_value();
      is_stopping.get_future().wait();
    }
    batch.Complete(backend::CopyInputs("scripted", batch));
  });
  auto model =
      Load(Warming(MakePlan("scripted"), Input(WarmupInput::Source::kZero), 1, 3), backend).Take();
  const auto submit = [&] {
    serving::testing::RequestBuilder builder;
    builder.Rows(1).Input(0, DataType::kInt32, {1, 1}, Pack<int32_t>({7}));
    const auto sink = builder.sink();
    RequestChain chain;
    chain.Append(builder.Take());
    model->Submit(std::move(chain), nullptr);
    return sink;
  };
  const auto poisoner = submit();
  rebuilding.get_future().wait();
  std::thread stopper([&] { model->Stop(); });
  // Requests wait for the instance until the model refuses them.
  for (auto sink = submit(); !sink->is_answered(); sink = submit()) std::this_thread::yield();
  is_stopping.set_value();
  stopper.join();
  EXPECT_TRUE(poisoner->Wait().status.ok());
  EXPECT_EQ(executed, 3 + 1 + 1);
}

}  // namespace
}  // namespace serving::model
