// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/padding.h"

#include "backend/copy_inputs.h"
#include "gtest/gtest.h"
#include "model/execution.h"
#include "testing/model_harness.h"
#include "testing/requests.h"
#include "testing/scripted_instance.h"

namespace serving::model {
namespace {

using backend::Batch;
using serving::testing::MakePlan;
using serving::testing::ModelHarness;
using serving::testing::Pack;
using serving::testing::PackStrings;
using serving::testing::RecordedOutput;
using serving::testing::RecordingSink;
using serving::testing::RequestBuilder;
using serving::testing::ScriptedInstance;
using serving::testing::TextOf;
using serving::testing::Unpack;
using serving::testing::UnpackStrings;
using tensor::DataType;

using Shape = std::vector<int64_t>;

core::PaddingPlan To(std::vector<int64_t> buckets, uint32_t axis = 0, double value = 0) {
  return {.axis = axis, .buckets = std::move(buckets), .value = value, .max_waste_percent = 75};
}

TEST(PaddedSize, IsTheNextBucket) {
  const core::PaddingPlan padding = To({4, 8, 100});
  EXPECT_EQ(PaddedSize(padding, 1), 4);
  EXPECT_EQ(PaddedSize(padding, 4), 4);
  EXPECT_EQ(PaddedSize(padding, 5), 8);
  EXPECT_EQ(PaddedSize(padding, 100), 100);
}

TEST(PaddedSize, IsTheSizeItselfBeyondTheBuckets) { EXPECT_EQ(PaddedSize(To({4, 8}), 9), 9); }

TEST(PaddedSize, IsTheSizeItselfWhereTooMuchWouldBeWasted) {
  const core::PaddingPlan padding = To({8, 100});
  EXPECT_EQ(PaddedSize(padding, 0), 0);
  EXPECT_EQ(PaddedSize(padding, 1), 1);
  EXPECT_EQ(PaddedSize(padding, 2), 8) << "three quarters are allowed";
  EXPECT_EQ(PaddedSize(padding, 24), 24);
  EXPECT_EQ(PaddedSize(padding, 25), 100);
}

// Runs batches at once.
class PaddingTest : public ::testing::Test, public ExecutionListener {
 protected:
  // INPUT0 and OUTPUT0 of `dims`, padded and cut along `padding.axis`.
  void Use(DataType type, Shape dims, core::PaddingPlan padding,
           size_t memory_limit = SIZE_MAX / 2) {
    plan_ = MakePlan("scripted", 16, type, std::move(dims));
    plan_.outputs[0].unpadding = {.axis = padding.axis, .input = 0};
    plan_.inputs[0].padding = std::move(padding);
    execution_ = std::make_unique<Execution>(
        plan_, 0, 1, std::make_shared<base::MemoryBudget>(memory_limit), this);
  }
  base::Ref<RecordingSink> Add(RequestBuilder& builder) {
    auto sink = builder.sink();
    execution_->Add(builder.Take());
    return sink;
  }
  base::Ref<RecordingSink> Add(DataType type, Shape shape, const std::string& bytes) {
    RequestBuilder builder;
    builder.Rows(shape[0]).Input(0, type, shape, bytes);
    return Add(builder);
  }
  void Run(ScriptedInstance::Script script) {
    ScriptedInstance instance(std::move(script));
    execution_->Run(instance, std::chrono::steady_clock::now());
  }
  void RunIdentity() {
    Run([&](Batch& batch) {
      seen_shape_ = batch.inputs()[0].shape.ToString();
      seen_ = std::string(TextOf(batch.inputs()[0].view));
      batch.Complete(backend::CopyInputs("identity", batch));
    });
  }
  void OnExecuted(int, const base::Status&, bool) override {
    padding_ = execution_->padding();
    execution_->Deliver();
  }

  core::ModelPlan plan_;
  std::unique_ptr<Execution> execution_;
  metrics::PaddingStatistics padding_;
  std::string seen_shape_;
  std::string seen_;
};

void ExpectOutput(const base::Ref<RecordingSink>& sink, const Shape& shape,
                  const std::string& bytes) {
  ASSERT_TRUE(sink->Wait().status.ok()) << sink->Wait().status.message();
  EXPECT_EQ(sink->Wait().outputs[0].shape, shape);
  EXPECT_EQ(sink->Wait().outputs[0].bytes, bytes);
}

TEST_F(PaddingTest, FillsUpAndCutsBack) {
  Use(DataType::kInt32, {-1}, To({4}, 0, -7));
  const auto a = Add(DataType::kInt32, {1, 2}, Pack<int32_t>({1, 2}));
  const auto b = Add(DataType::kInt32, {2, 3}, Pack<int32_t>({3, 4, 5, 6, 7, 8}));
  RunIdentity();
  EXPECT_EQ(seen_shape_, "[3,4]");
  EXPECT_EQ(seen_, Pack<int32_t>({1, 2, -7, -7, 3, 4, 5, -7, 6, 7, 8, -7}));
  ExpectOutput(a, {1, 2}, Pack<int32_t>({1, 2}));
  ExpectOutput(b, {2, 3}, Pack<int32_t>({3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(padding_.input_bytes, 32u);
  EXPECT_EQ(padding_.added_bytes, 16u);
}

TEST_F(PaddingTest, FillsUpADimensionBetweenOthers) {
  Use(DataType::kInt16, {2, -1, 2}, To({3}, 1, 9));
  const auto a = Add(DataType::kInt16, {1, 2, 1, 2}, Pack<int16_t>({1, 2, 3, 4}));
  const auto b =
      Add(DataType::kInt16, {1, 2, 2, 2}, Pack<int16_t>({11, 12, 13, 14, 15, 16, 17, 18}));
  RunIdentity();
  EXPECT_EQ(seen_shape_, "[2,2,3,2]");
  EXPECT_EQ(seen_, Pack<int16_t>({1,  2,  9,  9,  9, 9, 3,  4,  9,  9,  9, 9,  //
                                  11, 12, 13, 14, 9, 9, 15, 16, 17, 18, 9, 9}));
  ExpectOutput(a, {1, 2, 1, 2}, Pack<int16_t>({1, 2, 3, 4}));
  ExpectOutput(b, {1, 2, 2, 2}, Pack<int16_t>({11, 12, 13, 14, 15, 16, 17, 18}));
}

TEST_F(PaddingTest, FillsStringsUpWithEmptyOnes) {
  Use(DataType::kBytes, {-1}, To({3}));
  RequestBuilder pieces;
  pieces.Rows(2).InputInParts(0, DataType::kBytes, {2, 2},
                              {PackStrings({"a"}), PackStrings({"", "cc"}), PackStrings({"d"})});
  const auto a = Add(pieces);
  const auto b = Add(DataType::kBytes, {1, 1}, PackStrings({"long text"}));
  RunIdentity();
  EXPECT_EQ(UnpackStrings(seen_),
            (std::vector<std::string>{"a", "", "", "cc", "d", "", "long text", "", ""}));
  ExpectOutput(a, {2, 2}, PackStrings({"a", "", "cc", "d"}));
  ExpectOutput(b, {1, 1}, PackStrings({"long text"}));
}

TEST_F(PaddingTest, ReadsNumbersThatLieInPieces) {
  Use(DataType::kInt32, {-1}, To({2}));
  const std::string bytes = Pack<int32_t>({1, 2, 3});
  RequestBuilder pieces;
  pieces.Rows(3).InputInParts(0, DataType::kInt32, {3, 1},
                              {bytes.substr(0, 5), "", bytes.substr(5)});
  const auto sink = Add(pieces);
  RunIdentity();
  EXPECT_EQ(seen_, Pack<int32_t>({1, 0, 2, 0, 3, 0}));
  ExpectOutput(sink, {3, 1}, bytes);
}

TEST_F(PaddingTest, KnowsTheValueInEveryType) {
  const std::pair<DataType, std::string> types[] = {
      {DataType::kBool, Pack<uint8_t>({1})},       {DataType::kUint8, Pack<uint8_t>({1})},
      {DataType::kUint16, Pack<uint16_t>({1})},    {DataType::kUint32, Pack<uint32_t>({1})},
      {DataType::kUint64, Pack<uint64_t>({1})},    {DataType::kInt8, Pack<int8_t>({1})},
      {DataType::kInt16, Pack<int16_t>({1})},      {DataType::kInt32, Pack<int32_t>({1})},
      {DataType::kInt64, Pack<int64_t>({1})},      {DataType::kFp16, Pack<uint16_t>({0x3c00})},
      {DataType::kBf16, Pack<uint16_t>({0x3f80})}, {DataType::kFp32, Pack<float>({1})},
      {DataType::kFp64, Pack<double>({1})},
  };
  for (const auto& [type, one] : types) {
    Use(type, {-1}, To({2}, 0, 1));
    const std::string zero(one.size(), '\0');
    const auto sink = Add(type, {1, 1}, zero);
    RunIdentity();
    EXPECT_EQ(seen_, zero + one) << tensor::WireName(type);
    ExpectOutput(sink, {1, 1}, zero);
  }
}

TEST_F(PaddingTest, LendsARequestOfABucketsSize) {
  Use(DataType::kInt32, {-1}, To({2}));
  RequestBuilder request;
  request.Input(0, DataType::kInt32, {1, 2}, Pack<int32_t>({1, 2}));
  const std::byte* address = request.request().inputs[0].parts[0].data;
  const auto sink = Add(request);
  RunIdentity();
  EXPECT_EQ(sink->Wait().outputs[0].address, address);
  EXPECT_EQ(padding_.input_bytes, 8u);
  EXPECT_EQ(padding_.added_bytes, 0u);
}

TEST_F(PaddingTest, CutsOnlyWhatHasThePaddedSize) {
  Use(DataType::kInt32, {-1}, To({4}));
  const auto sink = Add(DataType::kInt32, {1, 3}, Pack<int32_t>({1, 2, 3}));
  Run([](Batch& batch) {
    backend::BatchOutput& output = batch.outputs()[0];
    output.owner = serving::testing::MakeBuffer(Pack<int32_t>({7, 8}));
    output.view = {.data = output.owner->data(), .size = 8};
    output.shape = tensor::Shape(Shape{1, 2});
    output.data_type = DataType::kInt32;
    batch.Complete({});
  });
  ExpectOutput(sink, {1, 2}, Pack<int32_t>({7, 8}));
}

TEST_F(PaddingTest, AnswersABatchThatFindsNoMemory) {
  Use(DataType::kInt32, {-1}, To({4}), 0);
  const auto sink = Add(DataType::kInt32, {1, 3}, Pack<int32_t>({1, 2, 3}));
  Run([](Batch&) { FAIL() << "there is no input to run with"; });
  EXPECT_EQ(sink->Wait().status.code(), base::StatusCode::kUnavailable);
}

TEST_F(PaddingTest, TakesNoTimeForDimensionsWithoutElements) {
  Use(DataType::kInt32, {-1, -1, -1}, To({4}, 1));
  const Shape shape = {1, int64_t{1} << 60, 3, 0};
  const auto sink = Add(DataType::kInt32, shape, "");
  RunIdentity();
  ExpectOutput(sink, shape, "");
}

TEST(PaddedModel, BatchesRequestsOfOneBucket) {
  core::ModelPlan plan = MakePlan("gate");
  plan.parameters["closed"] = "true";
  plan.batching.emplace();
  plan.inputs[0].padding = To({4, 8});
  plan.outputs[0].unpadding = {.axis = 0, .input = 0};
  ModelHarness model(std::move(plan));
  const auto first = model.EnqueueOne();
  model.AwaitAtGate(1);
  RequestChain chain;
  std::vector<std::pair<std::string, base::Ref<RecordingSink>>> sent;
  for (const int32_t length : {2, 4, 3, 5, 8, 6}) {
    RequestBuilder builder;
    const std::vector<int32_t> numbers(static_cast<size_t>(length), length);
    const std::string bytes = Pack(std::span<const int32_t>(numbers));
    builder.Input(0, DataType::kInt32, {1, length}, bytes);
    sent.emplace_back(bytes, builder.sink());
    chain.Append(builder.Take());
  }
  model->Submit(std::move(chain), nullptr);
  model.Control(R"({"action":"open"})");
  for (const auto& [bytes, sink] : sent) EXPECT_EQ(sink->Wait().outputs[0].bytes, bytes);
  EXPECT_TRUE(first.is_echoed());
  const metrics::ModelStatistics statistics = model.Statistics();
  EXPECT_EQ(statistics.execution_count, 3u) << "six lengths are two buckets";
  ASSERT_TRUE(statistics.padding);
  EXPECT_EQ(statistics.padding->added_bytes, 4u * (3 + 2 + 1 + 3 + 2));
}

TEST(PaddedModel, RunsARequestBeyondTheBucketsByItself) {
  core::ModelPlan plan = MakePlan("identity");
  plan.batching.emplace();
  plan.inputs[0].padding = To({2});
  plan.outputs[0].unpadding = {.axis = 0, .input = 0};
  ModelHarness model(std::move(plan));
  RequestBuilder builder;
  builder.Input(0, DataType::kInt32, {1, 3}, Pack<int32_t>({1, 2, 3}));
  const auto sink = builder.sink();
  RequestChain chain;
  chain.Append(builder.Take());
  model->Submit(std::move(chain), nullptr);
  ExpectOutput(sink, {1, 3}, Pack<int32_t>({1, 2, 3}));
}

}  // namespace
}  // namespace serving::model
