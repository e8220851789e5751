// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/execution.h"

#include <cstring>

#include "backend/copy_inputs.h"
#include "gtest/gtest.h"
#include "testing/requests.h"
#include "testing/scripted_instance.h"

namespace serving::model {
namespace {

using backend::Batch;
using serving::testing::MakePlan;
using serving::testing::Pack;
using serving::testing::PackStrings;
using serving::testing::RecordedResponse;
using serving::testing::RecordingSink;
using serving::testing::RequestBuilder;
using serving::testing::ScriptedInstance;
using serving::testing::Tensor;
using serving::testing::TextOf;
using serving::testing::UnpackStrings;
using tensor::DataType;

// A lease's place with a listener that delivers at once, and the order of what happened.
class ExecutionTest : public ::testing::Test, public ExecutionListener {
 protected:
  void Use(core::ModelPlan plan, size_t memory_limit = SIZE_MAX / 2, size_t input_alignment = 1) {
    plan_ = std::move(plan);
    budget_ = std::make_shared<base::MemoryBudget>(memory_limit);
    execution_ = std::make_unique<Execution>(plan_, 7, input_alignment, budget_, this);
  }
  base::Ref<RecordingSink> Add(RequestBuilder& builder) {
    base::Ref<RecordingSink> sink = builder.sink();
    execution_->Add(builder.Take());
    return sink;
  }
  void Run(ScriptedInstance::Script script) {
    ScriptedInstance instance(std::move(script));
    execution_->Run(instance, std::chrono::steady_clock::now());
  }
  void RunIdentity() {
    Run([](Batch& batch) { batch.Complete(backend::CopyInputs("identity", batch)); });
  }
  void OnExecuted(int instance, const base::Status& status, bool answered) override {
    EXPECT_EQ(instance, 7);
    ++executed_;
    status_ = status;
    answered_ = answered;
    execution_->Deliver();
  }

  core::ModelPlan plan_;
  std::shared_ptr<base::MemoryBudget> budget_;
  std::unique_ptr<Execution> execution_;
  int executed_ = 0;
  base::Status status_;
  bool answered_ = false;
};

RequestBuilder Numbers(int64_t rows, const std::string& bytes) {
  RequestBuilder builder;
  const auto per_row = static_cast<int64_t>(bytes.size() / 4) / rows;
  builder.Rows(rows).Input(0, DataType::kInt32, {rows, per_row}, bytes);
  return builder;
}

TEST_F(ExecutionTest, LendsALoneRequestItsOwnBytes) {
  Use(MakePlan("scripted"));
  RequestBuilder request = Numbers(2, Pack<int32_t>({1, 2, 3, 4}));
  const std::byte* address = request.request().inputs[0].parts[0].data;
  const auto sink = Add(request);
  size_t charged = 1;
  Run([&](Batch& batch) {
    EXPECT_EQ(batch.inputs()[0].view.data, address);
    EXPECT_EQ(batch.rows(), 2);
    charged = budget_->used();
    batch.Complete(backend::CopyInputs("", batch));
  });
  EXPECT_EQ(charged, 0u);
  const RecordedResponse& response = sink->Wait();
  EXPECT_EQ(response.outputs[0].address, address);
  EXPECT_EQ(response.outputs[0].shape, (std::vector<int64_t>{2, 2}));
  EXPECT_TRUE(execution_->empty());
}

TEST_F(ExecutionTest, CopiesWhatTheBackendCouldNotRead) {
  Use(MakePlan("scripted"));
  RequestBuilder odd;
  odd.Input(0, DataType::kInt32, {1, 2}, Pack<int32_t>({5, 6}), /*offset=*/2);
  const std::byte* address = odd.request().inputs[0].parts[0].data;
  const auto sink = Add(odd);
  RunIdentity();
  EXPECT_NE(sink->Wait().outputs[0].address, address);
  EXPECT_EQ(sink->Wait().outputs[0].bytes, Pack<int32_t>({5, 6}));
}

TEST_F(ExecutionTest, CopiesForABackendThatWantsMoreAlignment) {
  Use(MakePlan("scripted"), SIZE_MAX / 2, 64);
  RequestBuilder request;
  request.Input(0, DataType::kInt32, {1, 2}, Pack<int32_t>({5, 6}), /*offset=*/4);
  const auto sink = Add(request);
  Run([](Batch& batch) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(batch.inputs()[0].view.data) % 64, 0u);
    batch.Complete(backend::CopyInputs("", batch));
  });
  EXPECT_EQ(sink->Wait().outputs[0].bytes, Pack<int32_t>({5, 6}));
}

TEST_F(ExecutionTest, JoinsPieces) {
  Use(MakePlan("scripted"));
  RequestBuilder request;
  request.InputInParts(0, DataType::kInt32, {1, 3},
                       {Pack<int32_t>({1}), "", Pack<int32_t>({2, 3})});
  const auto sink = Add(request);
  RunIdentity();
  EXPECT_EQ(sink->Wait().outputs[0].bytes, Pack<int32_t>({1, 2, 3}));
}

TEST_F(ExecutionTest, LeadsEveryRowHome) {
  Use(MakePlan("scripted"));
  RequestBuilder a = Numbers(1, Pack<int32_t>({1, 2}));
  RequestBuilder b = Numbers(3, Pack<int32_t>({3, 4, 5, 6, 7, 8}));
  RequestBuilder c = Numbers(2, Pack<int32_t>({9, 10, 11, 12}));
  const auto first = Add(a);
  const auto second = Add(b);
  const auto third = Add(c);
  Run([](Batch& batch) {
    EXPECT_EQ(batch.rows(), 6);
    EXPECT_EQ(batch.inputs()[0].shape.ToString(), "[6,2]");
    EXPECT_EQ(TextOf(batch.inputs()[0].view),
              Pack<int32_t>({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
    batch.Complete(backend::CopyInputs("", batch));
  });
  EXPECT_EQ(first->Wait().outputs[0].bytes, Pack<int32_t>({1, 2}));
  EXPECT_EQ(second->Wait().outputs[0].bytes, Pack<int32_t>({3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(second->Wait().outputs[0].shape, (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(third->Wait().outputs[0].bytes, Pack<int32_t>({9, 10, 11, 12}));
  EXPECT_EQ(executed_, 1);
}

TEST_F(ExecutionTest, SplitsStringsByTheirElements) {
  Use(MakePlan("scripted", 8, DataType::kBytes));
  RequestBuilder a;
  a.Rows(1).Input(0, DataType::kBytes, {1, 2}, PackStrings({"a", ""}));
  RequestBuilder b;
  b.Rows(2).Input(0, DataType::kBytes, {2, 2}, PackStrings({"bb", "ccc", "dddd", "e"}));
  const auto first = Add(a);
  const auto second = Add(b);
  RunIdentity();
  EXPECT_EQ(UnpackStrings(first->Wait().outputs[0].bytes), (std::vector<std::string>{"a", ""}));
  EXPECT_EQ(UnpackStrings(second->Wait().outputs[0].bytes),
            (std::vector<std::string>{"bb", "ccc", "dddd", "e"}));
}

core::ModelPlan TwoByTwo() {
  core::ModelPlan plan = MakePlan("scripted");
  plan.inputs.push_back(Tensor("INPUT1", DataType::kInt32, {-1}));
  plan.outputs.push_back(Tensor("OUTPUT1", DataType::kInt32, {-1}));
  return plan;
}

TEST_F(ExecutionTest, GivesEachRequestWhatItWants) {
  Use(TwoByTwo());
  const auto make = [](int32_t value) {
    RequestBuilder builder;
    builder.Input(0, DataType::kInt32, {1, 1}, Pack<int32_t>({value}))
        .Input(1, DataType::kInt32, {1, 1}, Pack<int32_t>({value + 1}));
    return builder;
  };
  RequestBuilder all = make(10);
  RequestBuilder one = make(20);
  one.Want(1);
  RequestBuilder swapped = make(30);
  swapped.Want(1).Want(0);
  const auto a = Add(all);
  const auto b = Add(one);
  const auto c = Add(swapped);
  RunIdentity();
  ASSERT_EQ(a->Wait().outputs.size(), 2u);
  EXPECT_EQ(a->Wait().outputs[0].bytes, Pack<int32_t>({10}));
  ASSERT_EQ(b->Wait().outputs.size(), 1u);
  EXPECT_EQ(b->Wait().outputs[0].slot, 1u);
  EXPECT_EQ(b->Wait().outputs[0].bytes, Pack<int32_t>({21}));
  ASSERT_EQ(c->Wait().outputs.size(), 2u);
  // In the plan's order, as Triton's backends answer, whatever the order of the names.
  EXPECT_EQ(c->Wait().outputs[0].bytes, Pack<int32_t>({30}));
  EXPECT_EQ(c->Wait().outputs[1].bytes, Pack<int32_t>({31}));
}

TEST_F(ExecutionTest, TellsTheBackendWhatNobodyWants) {
  Use(TwoByTwo());
  RequestBuilder request;
  request.Input(0, DataType::kInt32, {1, 1}, Pack<int32_t>({1}))
      .Input(1, DataType::kInt32, {1, 1}, Pack<int32_t>({2}))
      .Want(1);
  const auto sink = Add(request);
  Run([](Batch& batch) {
    EXPECT_FALSE(batch.wants(0));
    EXPECT_TRUE(batch.wants(1));
    batch.Complete(backend::CopyInputs("", batch));
  });
  EXPECT_TRUE(sink->Wait().status.ok());
}

TEST_F(ExecutionTest, LeavesOutAbsentOptionalInputs) {
  Use(TwoByTwo());
  RequestBuilder request;
  request.Input(0, DataType::kInt32, {1, 1}, Pack<int32_t>({1})).Want(0);
  const auto sink = Add(request);
  Run([](Batch& batch) {
    EXPECT_TRUE(batch.inputs()[0].present);
    EXPECT_FALSE(batch.inputs()[1].present);
    batch.Complete(backend::CopyInputs("", batch));
  });
  EXPECT_TRUE(sink->Wait().status.ok());
}

TEST_F(ExecutionTest, AnswersTheBackendsErrorToEveryRequest) {
  Use(MakePlan("scripted"));
  RequestBuilder a = Numbers(1, Pack<int32_t>({1}));
  RequestBuilder b = Numbers(1, Pack<int32_t>({2}));
  const auto first = Add(a);
  const auto second = Add(b);
  Run([](Batch& batch) { batch.Complete(base::Internal("broken")); });
  for (const auto& sink : {first, second}) {
    EXPECT_EQ(sink->Wait().status.message(), "broken");
    EXPECT_TRUE(sink->Wait().outputs.empty());
  }
  EXPECT_EQ(status_.message(), "broken");
  EXPECT_EQ(budget_->used(), 0u);
}

// Outputs that a backend got wrong never reach a client.
struct WrongOutput {
  std::string name;
  std::vector<int64_t> shape;  // empty: no output at all
  size_t bytes;
  std::string message;
};
class WrongOutputs : public ExecutionTest, public ::testing::WithParamInterface<WrongOutput> {};

TEST_P(WrongOutputs, AreAnErrorForAll) {
  Use(MakePlan("scripted"));
  RequestBuilder a = Numbers(1, Pack<int32_t>({1, 2}));
  RequestBuilder b = Numbers(2, Pack<int32_t>({3, 4, 5, 6}));
  const auto first = Add(a);
  const auto second = Add(b);
  Run([](Batch& batch) {
    if (!GetParam().shape.empty()) {
      backend::BatchOutput& output = batch.outputs()[0];
      output.data_type = DataType::kInt32;
      output.shape = tensor::Shape(GetParam().shape);
      output.owner = batch.Allocate(64);
      output.view = {.data = output.owner->data(), .size = GetParam().bytes};
    }
    batch.Complete({});
  });
  EXPECT_EQ(first->Wait().status.code(), base::StatusCode::kInternal);
  EXPECT_EQ(first->Wait().status.message(), GetParam().message);
  EXPECT_EQ(second->Wait().status.message(), GetParam().message);
  EXPECT_TRUE(second->Wait().outputs.empty());
  EXPECT_EQ(budget_->used(), 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Table, WrongOutputs,
    ::testing::Values(
        WrongOutput{"Missing", {}, 0, "model 'm' did not produce output 'OUTPUT0'"},
        WrongOutput{
            "TooFewRows",
            {2, 2},
            16,
            "model 'm' produced output 'OUTPUT0' with shape [2,2] for a batch of 3: expected "
            "that as the first dimension"},
        WrongOutput{
            "TooManyRows",
            {4, 2},
            32,
            "model 'm' produced output 'OUTPUT0' with shape [4,2] for a batch of 3: expected "
            "that as the first dimension"},
        WrongOutput{
            "TooFewBytes",
            {3, 2},
            20,
            "model 'm' produced output 'OUTPUT0' with 20 bytes, too few or too many for shape "
            "[3,2]"},
        WrongOutput{
            "TooManyBytes",
            {3, 2},
            28,
            "model 'm' produced output 'OUTPUT0' with 28 bytes, too few or too many for shape "
            "[3,2]"}),
    [](const auto& info) { return info.param.name; });

TEST_F(ExecutionTest, RefusesStringsThatEndTooSoon) {
  Use(MakePlan("scripted", 8, DataType::kBytes));
  RequestBuilder a;
  a.Rows(1).Input(0, DataType::kBytes, {1, 1}, PackStrings({"a"}));
  RequestBuilder b;
  b.Rows(1).Input(0, DataType::kBytes, {1, 1}, PackStrings({"b"}));
  const auto first = Add(a);
  const auto second = Add(b);
  Run([](Batch& batch) {
    backend::BatchOutput& output = batch.outputs()[0];
    const backend::BatchInput& input = batch.inputs()[0];
    output.data_type = DataType::kBytes;
    output.shape = input.shape;
    output.owner = input.owner;
    output.view = {.data = input.view.data, .size = 7};  // one element and a piece of the next
    batch.Complete({});
  });
  EXPECT_EQ(second->Wait().status.message(),
            "model 'm' produced too few elements of output 'OUTPUT0'");
  EXPECT_EQ(first->Wait().status.code(), base::StatusCode::kInternal);
}

TEST_F(ExecutionTest, AnswersThatThereIsNoRoomToGather) {
  Use(MakePlan("scripted"), /*memory_limit=*/10);
  RequestBuilder a = Numbers(1, Pack<int32_t>({1, 2}));
  RequestBuilder b = Numbers(1, Pack<int32_t>({3, 4}));
  const auto first = Add(a);
  const auto second = Add(b);
  bool was_called = false;
  Run([&](Batch&) { was_called = true; });
  EXPECT_FALSE(was_called);
  EXPECT_EQ(first->Wait().status.code(), base::StatusCode::kUnavailable);
  EXPECT_EQ(second->Wait().status.message(),
            "memory limit reached: no room for a batch of model 'm', retry later");
}

TEST_F(ExecutionTest, IsReusedAndKeepsNothing) {
  Use(MakePlan("scripted"));
  for (int32_t round = 0; round < 3; ++round) {
    RequestBuilder a = Numbers(1, Pack<int32_t>({round}));
    RequestBuilder b = Numbers(1, Pack<int32_t>({round + 100}));
    const auto first = Add(a);
    const auto second = Add(b);
    RunIdentity();
    EXPECT_EQ(second->Wait().outputs[0].bytes, Pack<int32_t>({round + 100}));
    EXPECT_TRUE(execution_->empty());
    EXPECT_EQ(budget_->used(), 0u) << "the recorded answers are copies";
  }
}

TEST_F(ExecutionTest, LeavesAnswersToABackendThatGivesThem) {
  Use(MakePlan("scripted"));
  RequestBuilder request = Numbers(1, Pack<int32_t>({1}));
  const auto sink = Add(request);
  Run([](Batch& batch) {
    core::ResponseSink& answer_to = *batch.requests()[0]->sink;
    core::InferResponse* response = answer_to.NewResponse();
    response->is_final = true;
    core::SendNow(answer_to, response);
    batch.CompleteAnswered();
  });
  EXPECT_TRUE(answered_);
  EXPECT_EQ(sink->responses().size(), 1u);
}

TEST_F(ExecutionTest, StampsEveryStageInOrder) {
  Use(MakePlan("scripted"));
  RequestBuilder a = Numbers(1, Pack<int32_t>({1}));
  RequestBuilder b = Numbers(1, Pack<int32_t>({2}));
  Add(a);
  const auto sink = Add(b);
  RunIdentity();
  const core::StageTimes times = sink->Wait().times;
  EXPECT_LE(times.received, times.compute_start);
  EXPECT_LE(times.compute_start, times.input_end);
  EXPECT_LE(times.input_end, times.infer_end);
  EXPECT_LE(times.infer_end, times.output_end);
}

TEST_F(ExecutionTest, RunsModelsWithoutRows) {
  Use(MakePlan("scripted", /*max_batch_size=*/0));
  RequestBuilder request;
  request.Input(0, DataType::kInt32, {3}, Pack<int32_t>({1, 2, 3}));
  const auto sink = Add(request);
  RunIdentity();
  EXPECT_EQ(sink->Wait().outputs[0].shape, (std::vector<int64_t>{3}));
}

}  // namespace
}  // namespace serving::model
