// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/ragged.h"

#include "backend/copy_inputs.h"
#include "gtest/gtest.h"
#include "testing/model_harness.h"
#include "testing/requests.h"
#include "testing/scripted_instance.h"

namespace serving::model {
namespace {

using backend::Batch;
using core::BatchInputKind;
using serving::testing::MakePlan;
using serving::testing::ModelHarness;
using serving::testing::Pack;
using serving::testing::PackStrings;
using serving::testing::RecordingSink;
using serving::testing::RequestBuilder;
using serving::testing::ScriptedBackend;
using serving::testing::ScriptedInstance;
using serving::testing::Tensor;
using serving::testing::TextOf;
using serving::testing::Unpack;
using serving::testing::UnpackStrings;
using tensor::DataType;

// One ragged input of free shape [rows,-1,-1].
core::ModelPlan RaggedPlan(DataType type = DataType::kInt32) {
  core::ModelPlan plan = MakePlan("scripted", 16, type, {-1, -1});
  plan.inputs[0].is_ragged = true;
  plan.outputs[0].scattered_by = 0;
  return plan;
}

// Runs batches at once, each request with numbers of its own.
class RaggedTest : public ::testing::Test, public ExecutionListener {
 protected:
  void Use(core::ModelPlan plan, size_t memory_limit = SIZE_MAX / 2) {
    plan_ = std::move(plan);
    execution_ = std::make_unique<Execution>(
        plan_, 0, 1, std::make_shared<base::MemoryBudget>(memory_limit), this);
  }
  base::Ref<RecordingSink> Add(std::vector<int64_t> shape) {
    std::vector<int32_t> numbers(
        static_cast<size_t>(tensor::Shape(shape).ElementCount().value_or(0)));
    for (int32_t& number : numbers) number = next_number_++;
    RequestBuilder builder;
    builder.Rows(shape[0]).Input(0, DataType::kInt32, shape,
                                 Pack(std::span<const int32_t>(numbers)));
    return Add(builder);
  }
  base::Ref<RecordingSink> Add(RequestBuilder& builder) {
    auto sink = builder.sink();
    execution_->Add(builder.Take());
    return sink;
  }
  void Run(ScriptedInstance::Script script) {
    ScriptedInstance instance(std::move(script));
    execution_->Run(instance, std::chrono::steady_clock::now());
  }
  void OnExecuted(int, const base::Status&, bool) override { execution_->Deliver(); }

  // What the model sees of a tensor made from requests of shapes [1,2,3], [3,1,2] and [2,1,1].
  template <typename T>
  std::pair<std::string, std::vector<T>> Made(BatchInputKind kind, DataType type) {
    core::ModelPlan plan = RaggedPlan();
    plan.batch_inputs.push_back({.kind = kind, .name = "made", .data_type = type, .source = 0});
    Use(std::move(plan));
    Add({1, 2, 3});
    Add({3, 1, 2});
    Add({2, 1, 1});
    std::pair<std::string, std::vector<T>> made;
    Run([&](Batch& batch) {
      const backend::BatchInput& input = batch.inputs()[1];
      EXPECT_TRUE(input.present);
      EXPECT_EQ(input.data_type, type);
      made = {input.shape.ToString(), Unpack<T>(TextOf(input.view))};
      batch.Complete(backend::CopyInputs("", batch));
    });
    return made;
  }

  core::ModelPlan plan_;
  std::unique_ptr<Execution> execution_;
  int32_t next_number_ = 1;
};

TEST_F(RaggedTest, JoinsElementsAndLeadsThemHome) {
  Use(RaggedPlan());
  const auto a = Add({1, 2, 3});
  const auto b = Add({2, 1, 1});
  Run([](Batch& batch) {
    EXPECT_EQ(batch.inputs()[0].shape.ToString(), "[8]");
    EXPECT_EQ(TextOf(batch.inputs()[0].view), Pack<int32_t>({1, 2, 3, 4, 5, 6, 7, 8}));
    EXPECT_EQ(batch.rows(), 3);
    batch.Complete(backend::CopyInputs("", batch));
  });
  EXPECT_EQ(a->Wait().outputs[0].bytes, Pack<int32_t>({1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(a->Wait().outputs[0].shape, (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(b->Wait().outputs[0].bytes, Pack<int32_t>({7, 8}));
  EXPECT_EQ(b->Wait().outputs[0].shape, (std::vector<int64_t>{2, 1, 1}));
}

TEST_F(RaggedTest, LendsALoneRequestItsOwnBytes) {
  Use(RaggedPlan());
  RequestBuilder request;
  request.Rows(2).Input(0, DataType::kInt32, {2, 1, 2}, Pack<int32_t>({1, 2, 3, 4}));
  const std::byte* address = request.request().inputs[0].parts[0].data;
  const auto sink = Add(request);
  Run([&](Batch& batch) {
    EXPECT_EQ(batch.inputs()[0].view.data, address);
    EXPECT_EQ(batch.inputs()[0].shape.ToString(), "[4]");
    batch.Complete(backend::CopyInputs("", batch));
  });
  EXPECT_EQ(sink->Wait().outputs[0].address, address);
  EXPECT_EQ(sink->Wait().outputs[0].shape, (std::vector<int64_t>{2, 1, 2}));
}

TEST_F(RaggedTest, CountsTheElementsOfEachRequest) {
  const auto [shape, numbers] = Made<int32_t>(BatchInputKind::kElementCount, DataType::kInt32);
  EXPECT_EQ(shape, "[3]");
  EXPECT_EQ(numbers, (std::vector<int32_t>{6, 6, 2}));
}

TEST_F(RaggedTest, AddsTheElementsUp) {
  const auto [shape, numbers] =
      Made<float>(BatchInputKind::kAccumulatedElementCount, DataType::kFp32);
  EXPECT_EQ(shape, "[3]");
  EXPECT_EQ(numbers, (std::vector<float>{6, 12, 14}));
}

TEST_F(RaggedTest, AddsTheElementsUpFromZero) {
  const auto [shape, numbers] =
      Made<int32_t>(BatchInputKind::kAccumulatedElementCountWithZero, DataType::kInt32);
  EXPECT_EQ(shape, "[4]");
  EXPECT_EQ(numbers, (std::vector<int32_t>{0, 6, 12, 14}));
}

TEST_F(RaggedTest, SaysTheMostElementsByAShape) {
  const auto [shape, numbers] =
      Made<float>(BatchInputKind::kMaxElementCountAsShape, DataType::kFp32);
  EXPECT_EQ(shape, "[6]");
  EXPECT_EQ(numbers, std::vector<float>(6, 0)) << "what the memory held before is nobody's";
}

TEST_F(RaggedTest, ListsTheShapeOfEachRow) {
  const auto [shape, numbers] = Made<int32_t>(BatchInputKind::kItemShape, DataType::kInt32);
  EXPECT_EQ(shape, "[6,2]");
  EXPECT_EQ(numbers, (std::vector<int32_t>{2, 3, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1}));
}

TEST_F(RaggedTest, ListsTheShapesInOneDimension) {
  const auto [shape, numbers] = Made<float>(BatchInputKind::kItemShapeFlatten, DataType::kFp32);
  EXPECT_EQ(shape, "[12]");
  EXPECT_EQ(numbers, (std::vector<float>{2, 3, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1}));
}

TEST_F(RaggedTest, CountsEmptyRequests) {
  core::ModelPlan plan = RaggedPlan();
  plan.batch_inputs.push_back({.kind = BatchInputKind::kElementCount, .name = "made"});
  Use(std::move(plan));
  const auto empty = Add({1, 0, 3});
  const auto other = Add({1, 1, 2});
  Run([](Batch& batch) {
    EXPECT_EQ(Unpack<int32_t>(TextOf(batch.inputs()[1].view)), (std::vector<int32_t>{0, 2}));
    batch.Complete(backend::CopyInputs("", batch));
  });
  EXPECT_EQ(empty->Wait().outputs[0].shape, (std::vector<int64_t>{1, 0, 3}));
  EXPECT_EQ(empty->Wait().outputs[0].bytes, "");
  EXPECT_EQ(other->Wait().outputs[0].bytes, Pack<int32_t>({1, 2}));
}

TEST_F(RaggedTest, SplitsStringsByTheirElements) {
  Use(RaggedPlan(DataType::kBytes));
  RequestBuilder a;
  a.Input(0, DataType::kBytes, {1, 1, 2}, PackStrings({"", "long text"}));
  RequestBuilder b;
  b.Input(0, DataType::kBytes, {1, 3, 1}, PackStrings({"x", "yy", ""}));
  const auto first = Add(a);
  const auto second = Add(b);
  Run([](Batch& batch) {
    EXPECT_EQ(batch.inputs()[0].shape.ToString(), "[5]");
    batch.Complete(backend::CopyInputs("", batch));
  });
  EXPECT_EQ(UnpackStrings(first->Wait().outputs[0].bytes),
            (std::vector<std::string>{"", "long text"}));
  EXPECT_EQ(UnpackStrings(second->Wait().outputs[0].bytes),
            (std::vector<std::string>{"x", "yy", ""}));
}

TEST_F(RaggedTest, TakesFixedDimensionsOfAScatteredOutputFromThePlan) {
  core::ModelPlan plan = RaggedPlan();
  plan.outputs[0].tensor.dims = tensor::Shape(std::vector<int64_t>{-1, 1});
  Use(std::move(plan));
  const auto a = Add({1, 2, 3});
  const auto b = Add({1, 1, 5});
  Run([](Batch& batch) {
    batch.outputs()[0].owner = serving::testing::MakeBuffer(Pack<int32_t>({7, 8, 9}));
    batch.outputs()[0].view = {.data = batch.outputs()[0].owner->data(), .size = 12};
    batch.outputs()[0].shape = tensor::Shape(std::vector<int64_t>{3});
    batch.outputs()[0].data_type = DataType::kInt32;
    batch.Complete({});
  });
  EXPECT_EQ(a->Wait().outputs[0].bytes, Pack<int32_t>({7, 8}));
  EXPECT_EQ(a->Wait().outputs[0].shape, (std::vector<int64_t>{1, 2, 1}));
  EXPECT_EQ(b->Wait().outputs[0].bytes, Pack<int32_t>({9}));
}

TEST_F(RaggedTest, RefusesAnOutputWithTooFewElements) {
  Use(RaggedPlan());
  const auto a = Add({1, 2, 3});
  const auto b = Add({1, 1, 5});
  Run([](Batch& batch) {
    base::Status status = backend::CopyInputs("", batch);
    batch.outputs()[0].view.size -= 4;
    batch.Complete(std::move(status));
  });
  const std::string_view expected =
      "model 'm' produced output 'OUTPUT0' with 40 bytes, too few for the shapes of input "
      "'INPUT0'";
  EXPECT_EQ(a->Wait().status.message(), expected);
  EXPECT_EQ(b->Wait().status.message(), expected);
}

TEST_F(RaggedTest, AnswersABatchThatFindsNoMemory) {
  core::ModelPlan plan = RaggedPlan();
  plan.batch_inputs.push_back({.kind = BatchInputKind::kItemShape, .name = "made"});
  Use(std::move(plan), 0);
  const auto sink = Add({1, 1, 1});
  Run([](Batch&) { FAIL() << "there is no tensor to run with"; });
  EXPECT_EQ(sink->Wait().status.code(), base::StatusCode::kUnavailable);
}

TEST(RaggedModel, BatchesRequestsOfDifferentShapes) {
  core::ModelPlan plan = MakePlan("gate");
  plan.parameters["closed"] = "true";
  plan.batching.emplace();
  plan.inputs[0].is_ragged = true;
  plan.outputs[0].scattered_by = 0;
  ModelHarness model(std::move(plan));
  const auto first = model.EnqueueOne();
  model.AwaitAtGate(1);
  RequestChain chain;
  std::vector<base::Ref<RecordingSink>> sinks;
  for (int32_t length = 1; length <= 4; ++length) {
    RequestBuilder builder;
    const std::vector<int32_t> numbers(static_cast<size_t>(length), length);
    builder.Input(0, DataType::kInt32, {1, length}, Pack(std::span<const int32_t>(numbers)));
    sinks.push_back(builder.sink());
    chain.Append(builder.Take());
  }
  model->Submit(std::move(chain), nullptr);
  model.Control(R"({"action":"open"})");
  for (int32_t length = 1; length <= 4; ++length) {
    const std::vector<int32_t> numbers(static_cast<size_t>(length), length);
    EXPECT_EQ(sinks[static_cast<size_t>(length) - 1]->Wait().outputs[0].bytes,
              Pack(std::span<const int32_t>(numbers)));
  }
  EXPECT_TRUE(first.is_echoed());
  EXPECT_EQ(model.Statistics().execution_count, 2u) << "four lengths are one batch";
}

}  // namespace
}  // namespace serving::model
