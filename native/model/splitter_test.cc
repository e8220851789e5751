// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/splitter.h"

#include <atomic>
#include <thread>

#include "backend/copy_inputs.h"
#include "gtest/gtest.h"
#include "testing/model_harness.h"
#include "testing/requests.h"
#include "testing/scripted_instance.h"

namespace serving::model {
namespace {

using backend::Batch;
using metrics::FailureReason;
using serving::testing::FindBackend;
using serving::testing::MakePlan;
using serving::testing::Pack;
using serving::testing::PackStrings;
using serving::testing::RecordingSink;
using serving::testing::RequestBuilder;
using serving::testing::ScriptedBackend;
using serving::testing::Unlimited;
using serving::testing::Unpack;
using tensor::DataType;

core::ModelPlan SplitPlan(std::string backend, DataType type = DataType::kInt32) {
  core::ModelPlan plan = MakePlan(std::move(backend), 4, type);
  plan.max_request_rows = 40;
  return plan;
}

// A model behind a splitter, and requests of rows that all differ.
class SplitterTest : public ::testing::Test {
 protected:
  void Use(core::ModelPlan plan, std::unique_ptr<backend::Backend> backend = nullptr,
           size_t memory_limit = SIZE_MAX / 2) {
    backend_ = backend ? std::move(backend) : FindBackend(plan.backend);
    auto budget = std::make_shared<base::MemoryBudget>(memory_limit);
    base::Ref<Model> model =
        Model::Load(std::move(plan), *backend_,
                    {.budget = Unlimited(), .allow_inline = false, .metrics = {}})
            .Take();
    model_ = base::MakeRef<Splitter>(std::move(model), std::move(budget));
  }
  void UseGate() {
    core::ModelPlan plan = SplitPlan("gate");
    plan.parameters["closed"] = "true";
    Use(std::move(plan));
  }
  void AwaitAtGate() { ASSERT_TRUE(Control(R"({"action":"await","waiting":1})")); }
  bool Control(std::string_view json) { return model_->Control(json).ok(); }

  base::Ref<RecordingSink> Submit(RequestBuilder& builder) {
    auto sink = builder.sink();
    RequestChain chain;
    chain.Append(builder.Take());
    model_->Submit(std::move(chain), nullptr);
    return sink;
  }
  static std::string Numbers(int64_t rows) {
    std::vector<int32_t> numbers(static_cast<size_t>(rows) * 2);
    for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<int32_t>(i) + 1;
    return Pack(std::span<const int32_t>(numbers));
  }
  base::Ref<RecordingSink> SubmitRows(int64_t rows) {
    RequestBuilder builder;
    builder.Rows(rows).Input(0, DataType::kInt32, {rows, 2}, Numbers(rows));
    builder.request().id = "7";
    return Submit(builder);
  }
  uint64_t Failures(FailureReason reason) {
    return model_->Statistics().failures[static_cast<size_t>(reason)];
  }

  std::unique_ptr<backend::Backend> backend_;
  base::Ref<Splitter> model_;
};

TEST_F(SplitterTest, AnswersAllRowsInOrder) {
  Use(SplitPlan("identity"));
  const auto sink = SubmitRows(10);
  ASSERT_TRUE(sink->Wait().status.ok());
  EXPECT_EQ(sink->Wait().outputs[0].shape, (std::vector<int64_t>{10, 2}));
  EXPECT_EQ(sink->Wait().outputs[0].bytes, Numbers(10));
  EXPECT_EQ(sink->responses().size(), 1u);
}

TEST_F(SplitterTest, CountsOneRequest) {
  Use(SplitPlan("identity"));
  SubmitRows(10)->Wait();
  SubmitRows(2)->Wait();
  const metrics::ModelStatistics statistics = model_->Statistics();
  EXPECT_EQ(statistics.received, 2u);
  EXPECT_EQ(statistics.success.count, 2u);
  EXPECT_EQ(statistics.queue.count, 2u);
  EXPECT_EQ(statistics.compute_infer.count, 2u);
  EXPECT_EQ(statistics.pending, 0u);
  EXPECT_EQ(statistics.inference_count, 12u);
  EXPECT_EQ(statistics.execution_count, 4u) << "parts of 4, 4 and 2 rows, and the small one";
}

TEST_F(SplitterTest, ReadsTheBodyWhereItLies) {
  Use(SplitPlan("identity"));
  RequestBuilder builder;
  builder.Rows(9).Input(0, DataType::kInt32, {9, 2}, Numbers(9));
  const std::byte* address = builder.request().inputs[0].parts[0].data;
  const auto sink = Submit(builder);
  EXPECT_EQ(sink->Wait().outputs[0].address, address) << "identity hands the body on";
  EXPECT_EQ(sink->Wait().outputs[0].bytes, Numbers(9));
}

TEST_F(SplitterTest, SplitsStringsAndPieces) {
  Use(SplitPlan("identity", DataType::kBytes));
  RequestBuilder builder;
  builder.Rows(6).InputInParts(
      0, DataType::kBytes, {6, 2},
      {PackStrings({"a", "", "c"}), "", PackStrings({"d", "e", "f", "g", "h", "i", "j"}),
       PackStrings({"k", "long text"})});
  const auto sink = Submit(builder);
  EXPECT_EQ(sink->Wait().outputs[0].bytes,
            PackStrings({"a", "", "c", "d", "e", "f", "g", "h", "i", "j", "k", "long text"}));
  EXPECT_EQ(sink->Wait().outputs[0].shape, (std::vector<int64_t>{6, 2}));
}

TEST_F(SplitterTest, SplitsNumbersAtAnyByte) {
  Use(SplitPlan("identity"));
  const std::string bytes = Numbers(6);
  RequestBuilder builder;
  builder.Rows(6).InputInParts(0, DataType::kInt32, {6, 2},
                               {bytes.substr(0, 5), bytes.substr(5, 30), bytes.substr(35)});
  EXPECT_EQ(Submit(builder)->Wait().outputs[0].bytes, bytes);
}

TEST_F(SplitterTest, AnswersRowsWithoutElements) {
  Use(SplitPlan("identity"));
  RequestBuilder builder;
  builder.Rows(6).Input(0, DataType::kInt32, {6, 0}, "");
  const auto sink = Submit(builder);
  EXPECT_EQ(sink->Wait().outputs[0].shape, (std::vector<int64_t>{6, 0}));
}

TEST_F(SplitterTest, FailsOnceAndRunsNothingMore) {
  std::atomic<int> runs = 0;
  Use(SplitPlan("scripted"), std::make_unique<ScriptedBackend>([&](Batch& batch) {
        const bool fails = ++runs == 2;
        batch.Complete(fails ? base::Internal("no") : backend::CopyInputs("", batch));
      }));
  const auto sink = SubmitRows(40);
  EXPECT_EQ(sink->Wait().status.message(), "no");
  EXPECT_EQ(sink->responses().size(), 1u);
  model_->Stop();
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(Failures(FailureReason::kBackend), 1u);
  const metrics::ModelStatistics statistics = model_->Statistics();
  EXPECT_EQ(statistics.success.count, 0u);
  EXPECT_EQ(statistics.fail.count, 1u);
  EXPECT_EQ(statistics.received, 1u);
  EXPECT_EQ(statistics.pending, 0u);
}

TEST_F(SplitterTest, LeavesTheQueueWhole) {
  UseGate();
  const auto sink = SubmitRows(40);
  AwaitAtGate();
  EXPECT_EQ(model_->Statistics().pending, 1u);
  EXPECT_TRUE(model_->RemoveQueued(sink.get(), base::Cancelled("Request is cancelled"),
                                   FailureReason::kCanceled));
  EXPECT_EQ(sink->Wait().status.message(), "[request id: 7] Request is cancelled");
  EXPECT_FALSE(
      model_->RemoveQueued(sink.get(), base::Cancelled("again"), FailureReason::kCanceled));
  EXPECT_EQ(model_->Statistics().queued, 0u);
  EXPECT_EQ(Failures(FailureReason::kCanceled), 1u);
  Control(R"({"action":"open"})");
  model_->Stop();
  EXPECT_EQ(model_->Statistics().execution_count, 1u);
  EXPECT_EQ(sink->responses().size(), 1u);
}

TEST_F(SplitterTest, RunsNoPartOfACancelledRequest) {
  UseGate();
  const auto sink = SubmitRows(12);
  AwaitAtGate();
  sink->Cancel();
  Control(R"({"action":"open"})");
  EXPECT_EQ(sink->Wait().status.code(), base::StatusCode::kCancelled);
  model_->Stop();
  EXPECT_EQ(model_->Statistics().execution_count, 1u);
}

TEST_F(SplitterTest, RemovesARequestThatPassed) {
  UseGate();
  const auto running = SubmitRows(1);
  AwaitAtGate();
  const auto waiting = SubmitRows(2);
  EXPECT_TRUE(model_->RemoveQueued(waiting.get(), base::Cancelled("Request is cancelled"),
                                   FailureReason::kCanceled));
  Control(R"({"action":"open"})");
  EXPECT_TRUE(running->Wait().status.ok());
}

TEST_F(SplitterTest, IsRefusedWholeByAFullQueue) {
  core::ModelPlan plan = SplitPlan("gate");
  plan.parameters["closed"] = "true";
  plan.queue.max_queue_size = 3;
  Use(std::move(plan));
  const auto sink = SubmitRows(40);
  EXPECT_EQ(sink->Wait().status.message(), "[request id: 7] Exceeds maximum queue size");
  EXPECT_EQ(sink->responses().size(), 1u);
  EXPECT_EQ(Failures(FailureReason::kRejected), 1u);
  EXPECT_EQ(model_->Statistics().queued, 0u);
  Control(R"({"action":"open"})");
}

TEST_F(SplitterTest, RefusesOutputsThatDoNotFitTogether) {
  std::atomic<int64_t> width = 0;
  Use(SplitPlan("scripted"), std::make_unique<ScriptedBackend>([&](Batch& batch) {
        const int64_t columns = ++width;
        const std::string bytes(static_cast<size_t>(4 * batch.rows() * columns), 'x');
        backend::BatchOutput& output = batch.outputs()[0];
        output.owner = serving::testing::MakeBuffer(bytes);
        output.view = {.data = output.owner->data(), .size = bytes.size()};
        output.shape = tensor::Shape(std::vector<int64_t>{batch.rows(), columns});
        output.data_type = DataType::kInt32;
        batch.Complete({});
      }));
  EXPECT_EQ(SubmitRows(8)->Wait().status.message(),
            "model 'm' produced output 'OUTPUT0' with shapes [4,1] and [4,2] for parts of one "
            "request");
}

TEST_F(SplitterTest, AnswersWhenThereIsNoMemoryForTheWhole) {
  Use(SplitPlan("scripted"), std::make_unique<ScriptedBackend>([](Batch& batch) {
        base::Status status = backend::CopyInputs("", batch);
        const std::string copy(serving::testing::TextOf(batch.outputs()[0].view));
        batch.outputs()[0].owner = serving::testing::MakeBuffer(copy);
        batch.outputs()[0].view.data = batch.outputs()[0].owner->data();
        batch.Complete(std::move(status));
      }),
      10);
  EXPECT_EQ(SubmitRows(8)->Wait().status.code(), base::StatusCode::kUnavailable);
}

TEST_F(SplitterTest, IsAnsweredOnceWhateverComesFirst) {
  core::ModelPlan plan = SplitPlan("identity");
  plan.instance_count = 2;
  plan.batching.emplace();
  Use(std::move(plan));
  std::vector<std::thread> clients;
  std::atomic<int> answered = 0;
  for (int client = 0; client < 4; ++client) {
    clients.emplace_back([&, client] {
      for (int i = 0; i < 200; ++i) {
        const int64_t rows = 1 + (client * 7 + i * 3) % 40;
        const auto sink = SubmitRows(rows);
        if (i % 3 == 0) sink->Cancel();
        if (i % 2 == 0) {
          model_->RemoveQueued(sink.get(), base::Cancelled("Request is cancelled"),
                               FailureReason::kCanceled);
        }
        const auto& response = sink->Wait();
        if (response.status.ok()) {
          EXPECT_EQ(response.outputs[0].bytes, Numbers(rows));
        } else {
          EXPECT_EQ(response.status.code(), base::StatusCode::kCancelled);
        }
        ++answered;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  model_->Stop();
  EXPECT_EQ(answered, 800);
  const metrics::ModelStatistics statistics = model_->Statistics();
  EXPECT_EQ(statistics.received, 800u);
  EXPECT_EQ(statistics.success.count + statistics.fail.count, 800u);
  EXPECT_EQ(statistics.pending, 0u);
}

}  // namespace
}  // namespace serving::model
