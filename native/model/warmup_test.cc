// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/warmup.h"

#include <algorithm>
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

}  // namespace
}  // namespace serving::model
