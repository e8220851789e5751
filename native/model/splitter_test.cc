// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/splitter.h"

#include <atomic>
#include <future>
#include <mutex>
#include <numeric>
#include <thread>

#include "backend/copy_inputs.h"
#include "gtest/gtest.h"
#include "testing/client_memory.h"
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
           size_t memory_limit = SIZE_MAX / 2, metrics::MetricsOptions metrics = {}) {
    backend_ = backend ? std::move(backend) : FindBackend(plan.backend);
    auto budget = std::make_shared<base::MemoryBudget>(memory_limit);
    base::Ref<Model> model =
        Model::Load(std::move(plan), *backend_,
                    {.budget = Unlimited(), .allow_inline = false, .metrics = std::move(metrics)})
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

TEST_F(SplitterTest, IsOneRequestInHistogramsAndSummaries) {
  Use(SplitPlan("identity"), nullptr, SIZE_MAX / 2,
      {.summary_latencies = true, .summary_quantiles = {0.5}, .extended = true});
  SubmitRows(10)->Wait();
  SubmitRows(2)->Wait();
  const metrics::ModelStatistics statistics = model_->Statistics();
  for (const metrics::LatencyHistogram& histogram : statistics.histograms) {
    EXPECT_EQ(std::accumulate(histogram.counts().begin(), histogram.counts().end(), 0u), 2u);
  }
  for (const auto& quantiles : statistics.summaries) EXPECT_GE(quantiles.at(0), 0);
}

TEST_F(SplitterTest, ADeadlineTakesEveryPart) {
  UseGate();
  const auto running = SubmitRows(1);
  AwaitAtGate();
  RequestBuilder builder;
  builder.Rows(12).Input(0, DataType::kInt32, {12, 2}, Numbers(12));
  builder.request().deadline = std::chrono::steady_clock::now();
  const auto late = Submit(builder);
  Control(R"({"action":"open"})");
  EXPECT_EQ(late->Wait().status.code(), base::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(running->Wait().status.ok());
  model_->Stop();
  EXPECT_EQ(late->responses().size(), 1u);
  const metrics::ModelStatistics statistics = model_->Statistics();
  EXPECT_EQ(statistics.execution_count, 1u);
  EXPECT_EQ(statistics.queued, 0u);
  EXPECT_EQ(statistics.pending, 0u);
  EXPECT_EQ(statistics.success.count + statistics.fail.count, 2u);
}

TEST_F(SplitterTest, AQueueTimeoutTakesThePartsThatWait) {
  core::ModelPlan plan = SplitPlan("gate");
  plan.parameters["closed"] = "true";
  plan.queue.default_timeout = std::chrono::hours(1);
  plan.queue.allow_timeout_override = true;
  Use(std::move(plan));
  const auto running = SubmitRows(1);
  AwaitAtGate();
  RequestBuilder builder;
  builder.Rows(40).Input(0, DataType::kInt32, {40, 2}, Numbers(40));
  builder.request().timeout_us = 1;
  const auto hasty = Submit(builder);
  const auto patient = SubmitRows(9);
  Control(R"({"action":"open"})");
  EXPECT_EQ(hasty->Wait().status.message(), "[request id: <id_unknown>] Request timeout expired");
  EXPECT_EQ(patient->Wait().outputs[0].bytes, Numbers(9));
  model_->Stop();
  EXPECT_EQ(hasty->responses().size(), 1u);
  EXPECT_EQ(Failures(FailureReason::kRejected), 1u);
  EXPECT_EQ(model_->Statistics().execution_count, 4u) << "1 row, then 4, 4 and 1";
  EXPECT_EQ(model_->Statistics().received, 3u);
}

TEST_F(SplitterTest, KeepsTheOrderOfAnswersWherePromised) {
  core::ModelPlan plan = SplitPlan("scripted");
  plan.batching.emplace();
  plan.batching->preserve_ordering = true;
  plan.instance_count = 3;
  // The first part of the first request ends when much behind it has run.
  std::atomic<int> runs = 0;
  std::promise<void> others;
  Use(std::move(plan),
      std::make_unique<ScriptedBackend>([&, ended = others.get_future().share()](Batch& batch) {
        const int run = ++runs;
        if (run == 1) ended.wait();
        if (run == 6) others.set_value();
        batch.Complete(backend::CopyInputs("", batch));
      }));
  std::mutex mutex;
  std::vector<int64_t> answered;
  std::vector<base::Ref<RecordingSink>> sinks;
  const std::vector<int64_t> sent = {10, 1, 9, 2, 4, 12, 3};
  for (const int64_t rows : sent) {
    RequestBuilder builder;
    builder.Rows(rows).Input(0, DataType::kInt32, {rows, 2}, Numbers(rows));
    builder.sink()->when_final = [&, rows] {
      std::lock_guard lock(mutex);
      answered.push_back(rows);
    };
    sinks.push_back(Submit(builder));
  }
  for (size_t i = 0; i < sent.size(); ++i) {
    EXPECT_EQ(sinks[i]->Wait().outputs[0].bytes, Numbers(sent[i]));
  }
  model_->Stop();
  EXPECT_EQ(answered, sent);
}

// What a client shares is read where it lies, and what it named for the whole answer is no place
// for a part's.
TEST_F(SplitterTest, ReadsSharedMemoryAndLeavesTheClientsPlaceAlone) {
  constexpr size_t kPlace = 2 * base::kBufferAlignment;  // a backend may write there
  const base::BufferRef region =
      serving::testing::MakeBuffer(Numbers(10) + std::string(kPlace, 'p'));
  std::mutex mutex;
  std::vector<const std::byte*> read;
  std::vector<const std::byte*> given;
  Use(SplitPlan("scripted", DataType::kFp32), std::make_unique<ScriptedBackend>([&](Batch& batch) {
        {
          std::lock_guard lock(mutex);
          read.push_back(batch.inputs()[0].view.data);
          given.push_back(batch.AllocateOutput(0, batch.inputs()[0].view.size)->data());
        }
        batch.Complete(backend::CopyInputs("", batch));
      }));
  const core::ClientMemoryRef input = serving::testing::Share(region, 1, 0, 80);
  const core::ClientMemoryRef place = serving::testing::Share(region, 1, kPlace, 80);
  RequestBuilder builder;
  builder.Rows(10).Input(0, DataType::kFp32, {10, 2}, "");
  builder.request().inputs[0].parts = {{.data = input->data(), .size = 80}};
  builder.request().inputs[0].byte_size = 80;
  builder.Want(0);
  builder.request().wanted[0].place = place;
  builder.request().client_memory = {input, place};
  EXPECT_EQ(Submit(builder)->Wait().outputs[0].bytes, Numbers(10));
  model_->Stop();
  EXPECT_EQ(read, (std::vector<const std::byte*>{region->data(), region->data() + 32,
                                                 region->data() + 64}));
  for (const std::byte* room : given) {
    EXPECT_TRUE(room < region->data() || room >= region->data() + kPlace + 80);
  }
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
  plan.queue.max_queue_size = 1;
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
