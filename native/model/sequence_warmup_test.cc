// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/sequence_warmup.h"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "testing/scripted_instance.h"
#include "testing/sequence_harness.h"

namespace serving::model {
namespace {

using backend::Batch;
using core::WarmupInput;
using serving::testing::MakeControl;
using serving::testing::MakeState;
using serving::testing::Pack;
using serving::testing::ScriptedBackend;
using serving::testing::SequencePlan;
using serving::testing::TextOf;
using serving::testing::Unlimited;
using tensor::DataType;
using Kind = core::SequenceControl::Kind;

base::Status Bind(const core::ModelPlan& plan, core::InferRequest& request) {
  for (core::InputTensor& input : request.inputs) {
    for (uint32_t slot = 0; slot < plan.inputs.size(); ++slot) {
      if (plan.inputs[slot].tensor.name == input.name) input.slot = slot;
    }
  }
  request.batch_size = 1;
  return {};
}

WarmupInput Given(const char* name, std::string bytes, DataType type = DataType::kInt32) {
  return {.name = name,
          .data_type = type,
          .dims = tensor::Shape(std::vector<int64_t>{1}),
          .source = WarmupInput::Source::kBytes,
          .bytes = std::move(bytes)};
}

// What an instance saw in a batch: the bytes of its inputs by name.
using Seen = std::vector<std::pair<std::string, std::string>>;

// Loads the model and says what each of its executions saw.
std::vector<Seen> WarmUp(core::ModelPlan plan) {
  plan.outputs.pop_back();  // the text
  std::vector<Seen> batches;
  const std::vector<core::TensorPlan> inputs = SequenceTensors::InnerPlan(plan).inputs;
  ScriptedBackend backend([&](Batch& batch) {
    Seen& seen = batches.emplace_back();
    for (size_t i = 0; i < inputs.size(); ++i) {
      EXPECT_TRUE(batch.inputs()[i].present) << inputs[i].tensor.name;
      seen.emplace_back(inputs[i].tensor.name, TextOf(batch.inputs()[i].view));
    }
    for (backend::BatchOutput& output : batch.outputs()) {
      const size_t bytes = static_cast<size_t>(batch.rows()) * sizeof(int32_t);
      output.owner = batch.Allocate(bytes);
      std::memset(output.owner->data(), 0, bytes);
      output.data_type = DataType::kInt32;
      output.shape = tensor::Shape(std::vector<int64_t>{batch.rows(), 1});
      output.view = {.data = output.owner->data(), .size = bytes};
    }
    batch.Complete({});
  });
  const auto model =
      SequenceModel::Load(std::move(plan), backend, {.budget = Unlimited(), .validate = &Bind});
  EXPECT_TRUE(model.ok()) << model.status().message();
  if (model.ok()) {
    EXPECT_TRUE(model.value()->plan().warmup.empty());
    model.value()->Stop();
  }
  return batches;
}

TEST(SequenceWarmup, IsTheFirstRequestOfSequences) {
  core::ModelPlan plan = SequencePlan(true, 4);
  plan.sequence->controls = {MakeControl(Kind::kStart, "START"), MakeControl(Kind::kEnd, "END"),
                             MakeControl(Kind::kReady, "READY"),
                             MakeControl(Kind::kCorrelationId, "CORRID")};
  plan.sequence->states.push_back(MakeState(5));
  plan.instance_count = 2;
  plan.warmup.push_back({"w", 2, 1, {Given("IN", Pack<int32_t>({7}))}});
  const std::vector<Seen> batches = WarmUp(std::move(plan));
  ASSERT_EQ(batches.size(), 2u);  // an instance each
  const Seen expected{{"IN", Pack<int32_t>({7, 7})},      {"START", Pack<int32_t>({1, 1})},
                      {"END", Pack<int32_t>({0, 0})},     {"READY", Pack<int32_t>({1, 1})},
                      {"CORRID", Pack<uint64_t>({0, 0})}, {"STATE_IN", Pack<int32_t>({5, 5})}};
  EXPECT_EQ(batches[0], expected);
  EXPECT_EQ(batches[1], expected);
}

TEST(SequenceWarmup, LeavesWhatASampleBrings) {
  core::ModelPlan plan = SequencePlan(false, 4);
  plan.sequence->controls = {MakeControl(Kind::kStart, "START"),
                             MakeControl(Kind::kCorrelationId, "CORRID")};
  plan.sequence->states.push_back(MakeState(5));
  plan.warmup.push_back({"w",
                         1,
                         1,
                         {Given("IN", Pack<int32_t>({7})), Given("START", Pack<int32_t>({0})),
                          Given("CORRID", Pack<uint64_t>({99}), DataType::kUint64),
                          Given("STATE_IN", Pack<int32_t>({-1}))}});
  const Seen expected{{"IN", Pack<int32_t>({7})},
                      {"START", Pack<int32_t>({0})},
                      {"CORRID", Pack<uint64_t>({99})},
                      {"STATE_IN", Pack<int32_t>({-1})}};
  EXPECT_EQ(WarmUp(std::move(plan)), std::vector<Seen>{expected});
}

TEST(SequenceWarmup, HasAnEmptyTextForAnId) {
  core::ModelPlan plan = SequencePlan(true, 4);
  plan.sequence->controls = {MakeControl(Kind::kCorrelationId, "CORRID")};
  plan.sequence->controls[0].data_type = DataType::kBytes;
  plan.warmup.push_back({"w", 1, 1, {Given("IN", Pack<int32_t>({7}))}});
  const Seen expected{{"IN", Pack<int32_t>({7})}, {"CORRID", std::string(4, '\0')}};
  EXPECT_EQ(WarmUp(std::move(plan)), std::vector<Seen>{expected});
}

TEST(SequenceWarmup, RunsOnceWhatWouldRunAgain) {
  core::ModelPlan plan = SequencePlan(false, 4);
  plan.sequence->is_iterative = true;
  plan.parameters["runs"] = "3";
  plan.warmup.push_back({"w", 2, 2, {Given("IN", Pack<int32_t>({7}))}});
  const auto backend = serving::testing::FindBackend("sequence");
  const auto model =
      SequenceModel::Load(std::move(plan), *backend, {.budget = Unlimited(), .validate = &Bind});
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model.value()->Statistics().execution_count, 0u);
  model.value()->Stop();
}

}  // namespace
}  // namespace serving::model
