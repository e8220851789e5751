// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/sequence_model.h"

#include <cstring>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tensor/bytes_tensor.h"
#include "testing/model_harness.h"

namespace serving::model {
namespace {

using serving::testing::FindBackend;
using serving::testing::Pack;
using serving::testing::RecordedResponse;
using serving::testing::RecordingSink;
using serving::testing::RequestBuilder;
using serving::testing::Tensor;
using serving::testing::Unlimited;
using tensor::DataType;
using Kind = core::SequenceControl::Kind;

enum Flags { kNone = 0, kStart = 1, kEnd = 2 };

std::string Int(int32_t number) { return Pack(std::span<const int32_t>(&number, 1)); }

core::SequenceControl Control(Kind kind, const char* name) {
  return {.kind = kind,
          .name = name,
          .data_type = kind == Kind::kCorrelationId ? DataType::kUint64 : DataType::kInt32,
          .false_bytes = Int(0),
          .true_bytes = Int(1)};
}

core::ModelPlan Plan(bool is_direct, uint32_t slots, int64_t max_batch_size = 4) {
  core::ModelPlan plan;
  plan.name = "m";
  plan.backend = "sequence";
  plan.max_batch_size = max_batch_size;
  plan.inputs.push_back(Tensor("IN", DataType::kInt32, {1}));
  plan.outputs.push_back(Tensor("OUT", DataType::kInt32, {1}));
  plan.outputs.push_back(Tensor("LOG", DataType::kBytes, {1}));
  plan.sequence.emplace();
  plan.sequence->is_direct = is_direct;
  plan.sequence->slots = slots;
  plan.sequence->max_idle = std::chrono::hours(1);
  plan.sequence->controls = {Control(Kind::kStart, "START"), Control(Kind::kEnd, "END"),
                             Control(Kind::kReady, "READY"),
                             Control(Kind::kCorrelationId, "CORRID")};
  if (!is_direct) plan.batching.emplace();
  return plan;
}

core::ModelPlan Closed(core::ModelPlan plan) {
  plan.parameters["closed"] = "true";
  return plan;
}

core::SequenceState State(int32_t initial = 0) {
  core::SequenceState state;
  state.input = "STATE_IN";
  state.output = "STATE_OUT";
  state.data_type = DataType::kInt32;
  state.dims = state.initial_dims = tensor::Shape(std::vector<int64_t>{1});
  state.initial_bytes = Int(initial);
  return state;
}

// One answer to come.
struct Call {
  base::Ref<RecordingSink> sink;

  int32_t sum() const {
    const RecordedResponse& response = sink->Wait();
    EXPECT_TRUE(response.status.ok()) << response.status.message();
    int32_t number = 0;
    for (const auto& output : response.outputs) {
      if (output.slot == 0) std::memcpy(&number, output.bytes.data(), sizeof(number));
    }
    return number;
  }
  std::string log() const {
    for (const auto& output : sink->Wait().outputs) {
      if (output.slot == 1) return output.bytes.substr(sizeof(uint32_t));
    }
    return {};
  }
  base::StatusCode code() const { return sink->Wait().status.code(); }
  std::string error() const { return std::string(sink->Wait().status.message()); }
};

class Harness {
 public:
  explicit Harness(core::ModelPlan plan, metrics::MetricsOptions metrics = {},
                   std::shared_ptr<base::MemoryBudget> budget = Unlimited())
      : backend_(FindBackend(plan.backend)) {
    auto loaded = SequenceModel::Load(std::move(plan), *backend_,
                                      {.budget = std::move(budget), .metrics = metrics});
    SERVING_CHECK(loaded.ok(), "a model of sequences does not load");
    model_ = loaded.Take();
  }
  ~Harness() { model_->Stop(); }
  SequenceModel* operator->() { return model_.get(); }

  Call Send(core::CorrelationId id, int flags, int32_t number, uint64_t timeout_us = 0) {
    RequestBuilder builder;
    builder.Rows(1).Input(0, DataType::kInt32, {1, 1}, Int(number));
    core::InferRequest& request = builder.request();
    request.correlation_id = id;
    request.sequence_start = (flags & kStart) != 0;
    request.sequence_end = (flags & kEnd) != 0;
    request.timeout_us = timeout_us;
    Call call{builder.sink()};
    RequestChain chain;
    chain.Append(builder.Take());
    model_->Submit(chain, nullptr);
    return call;
  }
  std::string Gate(std::string_view json) { return model_->Control(json).Take(); }
  void AwaitAtGate(int waiting) {
    Gate(R"({"action":"await","waiting":)" + std::to_string(waiting) + "}");
  }
  void Open() { Gate(R"({"action":"open"})"); }

 private:
  std::unique_ptr<backend::Backend> backend_;
  base::Ref<SequenceModel> model_;
};

constexpr uint64_t A = 11, B = 12, C = 13, D = 14;

TEST(SequenceModel, TellsWhereInTheSequenceARequestIs) {
  for (const bool is_direct : {true, false}) {
    Harness model(Plan(is_direct, 4));
    EXPECT_EQ(model.Send(A, kStart, 7).log(),
              R"({"batch":1,"rows":[{"IN":7,"START":1,"END":0,"READY":1,"CORRID":11}]})");
    EXPECT_EQ(model.Send(A, kNone, 8).log(),
              R"({"batch":2,"rows":[{"IN":8,"START":0,"END":0,"READY":1,"CORRID":11}]})");
    EXPECT_EQ(model.Send(A, kEnd, 9).log(),
              R"({"batch":3,"rows":[{"IN":9,"START":0,"END":1,"READY":1,"CORRID":11}]})");
    EXPECT_EQ(model.Send(A, kStart | kEnd, 1).log(),
              R"({"batch":4,"rows":[{"IN":1,"START":1,"END":1,"READY":1,"CORRID":11}]})");
  }
}

TEST(SequenceModel, AnswersInOrderOneAtATime) {
  for (const bool is_direct : {true, false}) {
    Harness model(Closed(Plan(is_direct, 4)));
    std::vector<Call> calls;
    for (int i = 1; i <= 20; ++i) calls.push_back(model.Send(A, i == 1 ? kStart : kNone, i));
    model.AwaitAtGate(1);
    model.Open();
    for (int i = 1; i <= 20; ++i)
      EXPECT_EQ(calls[static_cast<size_t>(i - 1)].sum(), i * (i + 1) / 2);
    EXPECT_EQ(model->Statistics().execution_count, 20u);
  }
}

TEST(SequenceModel, DirectKeepsEverySequenceInItsRow) {
  Harness model(Closed(Plan(true, 4)));
  const Call first = model.Send(A, kStart, 1);
  model.AwaitAtGate(1);
  const Call second = model.Send(B, kStart, 2);
  const Call third = model.Send(C, kStart, 3);
  model.Gate(R"({"action":"release"})");
  EXPECT_EQ(first.sum(), 1);
  model.AwaitAtGate(1);
  model.Open();
  // Nothing is behind the last row that has a request.
  EXPECT_EQ(second.log(), R"({"batch":2,"rows":[{"START":0,"END":0,"READY":0,"CORRID":0},)"
                          R"({"IN":2,"START":1,"END":0,"READY":1,"CORRID":12},)"
                          R"({"IN":3,"START":1,"END":0,"READY":1,"CORRID":13}]})");
  EXPECT_EQ(third.sum(), 3);
  EXPECT_EQ(model.Send(B, kEnd, 10).sum(), 12);
  // The row of B is the next sequence's.
  EXPECT_EQ(model.Send(D, kStart, 5).log(),
            R"({"batch":4,"rows":[{"START":0,"END":0,"READY":0,"CORRID":0},)"
            R"({"IN":5,"START":1,"END":0,"READY":1,"CORRID":14}]})");
  const metrics::ModelStatistics statistics = model->Statistics();
  EXPECT_EQ(statistics.inference_count, 5u);
  EXPECT_EQ(statistics.success.count, 5u);
  EXPECT_EQ(statistics.execution_count, 4u);
  EXPECT_EQ(statistics.batches.at(3).compute_infer.count, 1u);
}

TEST(SequenceModel, OldestBatchesTheNextOfEverySequence) {
  Harness model(Closed(Plan(false, 3)));
  const Call first = model.Send(A, kStart, 1);
  model.AwaitAtGate(1);
  std::vector<Call> calls;
  for (const uint64_t id : {B, C, D}) calls.push_back(model.Send(id, kStart, 1));
  calls.push_back(model.Send(A, kNone, 5));
  EXPECT_EQ(model->Statistics().queued, 4u);
  EXPECT_EQ(model->Statistics().pending, 5u);
  model.Gate(R"({"action":"release"})");
  EXPECT_EQ(first.sum(), 1);
  model.AwaitAtGate(1);
  EXPECT_EQ(model->Statistics().queued, 1u);  // D has no slot
  model.Gate(R"({"action":"release"})");
  EXPECT_EQ(calls[3].log(),
            R"({"batch":2,"rows":[{"IN":1,"START":1,"END":0,"READY":1,"CORRID":12},)"
            R"({"IN":1,"START":1,"END":0,"READY":1,"CORRID":13},)"
            R"({"IN":5,"START":0,"END":0,"READY":1,"CORRID":11}]})");
  EXPECT_FALSE(calls[2].sink->is_answered());
  const Call end = model.Send(B, kEnd, 1);
  model.Open();
  EXPECT_EQ(end.sum(), 2);
  EXPECT_EQ(calls[2].sum(), 1);
}

TEST(SequenceModel, RefusesInTritonsWords) {
  Harness model(Plan(true, 4));
  EXPECT_EQ(model.Send({}, kStart, 1).error(),
            "inference request to model 'm' must specify a non-zero or non-empty correlation ID");
  EXPECT_EQ(model.Send(std::string_view(""), kStart, 1).error(),
            "inference request to model 'm' must specify a non-zero or non-empty correlation ID");
  EXPECT_EQ(model.Send(uint64_t{77}, kNone, 1).error(),
            "inference request for sequence 77 to model 'm' must specify the START flag on the "
            "first request of the sequence");
  EXPECT_EQ(model.Send(std::string_view("x"), kStart, 1).code(),
            base::StatusCode::kInvalidArgument);
  const metrics::ModelStatistics statistics = model->Statistics();
  EXPECT_EQ(statistics.received, 0u);
  EXPECT_EQ(statistics.fail.count, 0u);
}

TEST(SequenceModel, ALeavingClientEndsItsSequence) {
  for (const bool is_direct : {true, false}) {
    Harness model(Closed(Plan(is_direct, 4)));
    const Call first = model.Send(A, kStart, 1);
    model.AwaitAtGate(1);
    const Call second = model.Send(A, kNone, 2);
    const Call third = model.Send(A, kNone, 3);
    second.sink->Cancel();
    EXPECT_TRUE(model->RemoveQueued(second.sink.get(), base::Cancelled("Request is cancelled"),
                                    metrics::FailureReason::kCanceled));
    EXPECT_EQ(second.error(), "[request id: <id_unknown>] Request is cancelled");
    EXPECT_EQ(third.error(), "sequence 11 of model 'm' has ended: a request of it was not run");
    EXPECT_EQ(model.Send(A, kNone, 4).code(), base::StatusCode::kInvalidArgument);
    model.Open();
    EXPECT_EQ(first.sum(), 1);
    EXPECT_EQ(model.Send(A, kStart, 4).sum(), 4);
    const metrics::ModelStatistics statistics = model->Statistics();
    EXPECT_EQ(statistics.failures[static_cast<size_t>(metrics::FailureReason::kCanceled)], 2u);
    EXPECT_EQ(statistics.received, statistics.success.count + statistics.fail.count);
  }
}

TEST(SequenceModel, ARequestIsTakenOutOfItsInstancesQueue) {
  Harness model(Closed(Plan(false, 4)));
  const Call first = model.Send(A, kStart, 1);
  model.AwaitAtGate(1);
  const Call second = model.Send(B, kStart, 2);
  const Call third = model.Send(B, kNone, 3);
  EXPECT_TRUE(model->RemoveQueued(second.sink.get(), base::Cancelled("gone"),
                                  metrics::FailureReason::kCanceled));
  EXPECT_EQ(second.code(), base::StatusCode::kCancelled);
  EXPECT_EQ(third.code(), base::StatusCode::kCancelled);
  EXPECT_FALSE(model->RemoveQueued(first.sink.get(), base::Cancelled("gone"),
                                   metrics::FailureReason::kCanceled));
  model.Open();
  EXPECT_EQ(first.sum(), 1);
  EXPECT_EQ(model->Statistics().pending, 0u);
}

TEST(SequenceModel, AFailureLeavesTheSequenceAsItWas) {
  core::ModelPlan plan = Plan(false, 4);
  plan.sequence->states.push_back(State(5));
  Harness model(std::move(plan));
  EXPECT_EQ(model.Send(A, kStart, 1).sum(), 6);
  EXPECT_EQ(model.Send(A, kNone, -1).error(), "sequence: told to fail");
  EXPECT_EQ(model.Send(A, kNone, 2).sum(), 8);
  EXPECT_EQ(model->Statistics().failures[static_cast<size_t>(metrics::FailureReason::kBackend)],
            1u);
}

TEST(SequenceModel, HandsStatesOnAndHidesThem) {
  for (const bool is_direct : {true, false}) {
    core::ModelPlan plan = Plan(is_direct, 4);
    plan.sequence->states.push_back(State(5));
    Harness model(std::move(plan));
    EXPECT_EQ(model.Send(A, kStart, 1).sum(), 6);
    EXPECT_EQ(model.Send(B, kStart, 10).sum(), 15);
    const Call call = model.Send(A, kNone, 1);
    EXPECT_EQ(call.sum(), 7);
    EXPECT_EQ(call.sink->Wait().outputs.size(), 2u);
    EXPECT_EQ(model.Send(B, kEnd, 10).sum(), 25);
    EXPECT_EQ(model.Send(A, kStart, 1).sum(), 6);
  }
}

TEST(SequenceModel, AStateMayBeAnOutputAsWell) {
  core::ModelPlan plan = Plan(true, 4);
  plan.outputs.push_back(Tensor("STATE_OUT", DataType::kInt32, {1}));
  plan.sequence->states.push_back(State());
  Harness model(std::move(plan));
  EXPECT_EQ(model.Send(A, kStart, 1).sink->Wait().outputs.size(), 3u);
  RequestBuilder builder;
  builder.Rows(1).Input(0, DataType::kInt32, {1, 1}, Int(4)).Want(0);
  builder.request().correlation_id = A;
  RequestChain chain;
  const base::Ref<RecordingSink> sink = builder.sink();
  chain.Append(builder.Take());
  model->Submit(chain, nullptr);
  EXPECT_EQ(sink->Wait().outputs.size(), 1u);
  EXPECT_EQ(model.Send(A, kNone, 1).sum(), 6);
}

TEST(SequenceModel, MemoryOfStatesGoesWithTheSequence) {
  auto budget = std::make_shared<base::MemoryBudget>(size_t{1} << 30);
  core::ModelPlan plan = Plan(false, 64);
  plan.sequence->states.push_back(State());
  plan.sequence->max_idle = std::chrono::milliseconds(1);
  {
    Harness model(std::move(plan), {}, budget);
    for (uint64_t id = 1; id <= 200; ++id) model.Send(id, kStart, 1).sum();
    // Every one is idle before the next may have begun; the last is ended by the watch.
    while (model.Send(uint64_t{200}, kNone, 1).code() == base::StatusCode::kOk)
      std::this_thread::yield();
  }
  EXPECT_EQ(budget->used(), 0u);
}

TEST(SequenceModel, IdleSequencesLoseTheirSlots) {
  core::ModelPlan plan = Plan(false, 1);
  plan.sequence->max_idle = std::chrono::milliseconds(5);
  Harness model(std::move(plan));
  EXPECT_EQ(model.Send(A, kStart, 1).sum(), 1);
  EXPECT_EQ(model.Send(B, kStart, 2).sum(), 2);
  EXPECT_EQ(model.Send(A, kNone, 1).code(), base::StatusCode::kInvalidArgument);
}

TEST(SequenceModel, TheBacklogMayRunOutOfTime) {
  Harness model(Plan(false, 1));
  EXPECT_EQ(model.Send(A, kStart, 1).sum(), 1);
  const Call late = model.Send(B, kStart, 1, 1000);
  const Call also = model.Send(B, kNone, 1);
  EXPECT_EQ(late.error(), "timeout of the corresponding sequence has been expired");
  EXPECT_EQ(also.code(), base::StatusCode::kUnavailable);
  EXPECT_EQ(model->Statistics().failures[static_cast<size_t>(metrics::FailureReason::kRejected)],
            2u);
}

TEST(SequenceModel, DirectWaitsForAShareOfItsRows) {
  core::ModelPlan plan = Plan(true, 4);
  plan.sequence->max_queue_delay = std::chrono::hours(1);
  plan.sequence->minimum_slot_utilization = 0.75;
  Harness model(std::move(plan));
  const Call first = model.Send(A, kStart, 1);
  const Call second = model.Send(B, kStart, 2);
  EXPECT_FALSE(first.sink->is_answered());
  EXPECT_EQ(model.Send(C, kStart, 3).sum(), 3);
  EXPECT_EQ(first.sum() + second.sum(), 3);
  EXPECT_EQ(model->Statistics().execution_count, 1u);
}

TEST(SequenceModel, DirectWaitsNoLongerThanItsDelay) {
  core::ModelPlan plan = Plan(true, 4);
  plan.sequence->max_queue_delay = std::chrono::milliseconds(5);
  plan.sequence->minimum_slot_utilization = 1;
  Harness model(std::move(plan));
  EXPECT_EQ(model.Send(A, kStart, 1).sum(), 1);
}

TEST(SequenceModel, AnEndingModelRunsWhatWaits) {
  for (const bool is_direct : {true, false}) {
    std::vector<Call> calls;
    {
      core::ModelPlan plan = Plan(is_direct, 2, 2);
      plan.instance_count = 2;
      plan.sequence->max_queue_delay = std::chrono::hours(1);
      plan.sequence->minimum_slot_utilization = 1;
      Harness model(Closed(std::move(plan)));
      for (uint64_t id = 1; id <= 20; ++id) {
        calls.push_back(model.Send(id, kStart, 1));
        calls.push_back(model.Send(id, kNone, 2));
      }
    }
    for (size_t i = 0; i < calls.size(); ++i) EXPECT_EQ(calls[i].sum(), i % 2 == 0 ? 1 : 3);
  }
}

TEST(SequenceModel, TextIdsAreTold) {
  core::ModelPlan plan = Plan(true, 4);
  plan.sequence->controls[3].data_type = DataType::kBytes;
  Harness model(std::move(plan));
  EXPECT_EQ(model.Send(std::string_view("seventy"), kStart, 7).log(),
            R"({"batch":1,"rows":[{"IN":7,"START":1,"END":0,"READY":1,"CORRID":"seventy"}]})");
  EXPECT_EQ(model.Send(uint64_t{5}, kStart, 7).log(),
            R"({"batch":2,"rows":[{"START":0,"END":0,"READY":0,"CORRID":""},)"
            R"({"IN":7,"START":1,"END":0,"READY":1,"CORRID":"5"}]})");
}

TEST(SequenceModel, AnIterativeRequestRunsAgainWithItsState) {
  for (const bool is_direct : {true, false}) {
    core::ModelPlan plan = Plan(is_direct, 4);
    plan.sequence->is_iterative = true;
    plan.sequence->states.push_back(State(100));
    plan.parameters["runs"] = "4";
    Harness model(std::move(plan));
    std::vector<Call> calls;
    for (int i = 0; i < 10; ++i) calls.push_back(model.Send({}, kNone, 3));
    for (const Call& call : calls) EXPECT_EQ(call.sum(), 112);
    EXPECT_EQ(model.Send(A, kStart, 1).sum(), 104);
    EXPECT_EQ(model.Send(A, kNone, 1).code(), base::StatusCode::kInvalidArgument);
    const metrics::ModelStatistics statistics = model->Statistics();
    EXPECT_EQ(statistics.success.count, 11u);
    EXPECT_EQ(statistics.pending, 0u);
    EXPECT_GE(statistics.execution_count, 8u);
  }
}

TEST(SequenceModel, OnlyIterativeRequestsRunAgain) {
  core::ModelPlan plan = Plan(false, 4);
  plan.parameters["runs"] = "2";
  Harness model(std::move(plan));
  EXPECT_EQ(model.Send(A, kStart, 1).error(),
            "requests run again in models with iterative sequences only");
}

TEST(SequenceModel, ARequestThatRunsAgainMayBeCancelled) {
  core::ModelPlan plan = Plan(false, 4);
  plan.sequence->is_iterative = true;
  plan.parameters["runs"] = "1000000000";
  Harness model(Closed(std::move(plan)));
  const Call call = model.Send({}, kNone, 1);
  model.AwaitAtGate(1);
  call.sink->Cancel();
  model.Open();
  EXPECT_EQ(call.code(), base::StatusCode::kCancelled);
}

TEST(SequenceModel, LimitsWhatWaits) {
  core::ModelPlan plan = Plan(false, 1);
  plan.queue.max_queue_size = 1;
  Harness model(Closed(std::move(plan)));
  const Call first = model.Send(A, kStart, 1);
  const Call second = model.Send(B, kStart, 1);
  EXPECT_EQ(model.Send(C, kStart, 1).error(),
            "[request id: <id_unknown>] Exceeds maximum queue size");
  model.Open();
  EXPECT_EQ(first.sum(), 1);
}

TEST(SequenceModel, LimitsTheBytesThatWait) {
  core::ModelPlan plan = Plan(false, 2);
  plan.max_batch_size = 1;
  plan.queue.max_queue_bytes = 32;  // a request has 4, and at its instance 20 of controls
  Harness model(Closed(std::move(plan)));
  std::vector<Call> calls;
  calls.push_back(model.Send(A, kStart, 1));
  model.AwaitAtGate(1);
  calls.push_back(model.Send(A, kNone, 2));   // behind the one that runs
  calls.push_back(model.Send(B, kStart, 3));  // in the queue of the instance
  calls.push_back(model.Send(C, kStart, 4));  // has no slot
  const std::string full =
      "[request id: <id_unknown>] Exceeds maximum queue bytes: inputs of 32 bytes wait for model "
      "'m', this request has 4 and 32 may wait; ";
  EXPECT_EQ(model.Send(D, kStart, 5).error().substr(0, full.size()), full);
  EXPECT_EQ(model.Send(A, kNone, 5).error().substr(0, full.size()), full);
  EXPECT_TRUE(model->RemoveQueued(calls[3].sink.get(), base::Cancelled("gone"),
                                  metrics::FailureReason::kCanceled));
  calls.push_back(model.Send(D, kStart, 6));
  EXPECT_EQ(model.Send(A, kNone, 7).code(), base::StatusCode::kUnavailable);
  const Call end = [&] {
    model.Open();
    EXPECT_EQ(calls[1].sum(), 3);
    EXPECT_EQ(calls[2].sum(), 3);
    return model.Send(A, kEnd, 10);
  }();
  EXPECT_EQ(end.sum(), 13);  // the sequence lost nothing but what was refused
  EXPECT_EQ(calls[4].sum(), 6);
  EXPECT_EQ(model->Statistics().failures[static_cast<size_t>(metrics::FailureReason::kRejected)],
            3u);
}

TEST(SequenceModel, TakesOneRequestOfAnySize) {
  core::ModelPlan plan = Plan(true, 2);
  plan.queue.max_queue_bytes = 1;
  Harness model(std::move(plan));
  EXPECT_EQ(model.Send(A, kStart, 1).sum(), 1);
  EXPECT_EQ(model.Send(A, kNone, 2).sum(), 3);
}

TEST(SequenceModel, TellsTheBytesThatWait) {
  metrics::MetricsOptions metrics;
  metrics.extended = true;
  Harness model(Closed(Plan(true, 4)), metrics);
  const Call first = model.Send(A, kStart, 1);
  model.AwaitAtGate(1);
  EXPECT_EQ(model->Statistics().queue_state.bytes, 0u);
  const Call second = model.Send(A, kNone, 1);
  const Call third = model.Send(B, kStart, 1);
  EXPECT_EQ(model->Statistics().queue_state.bytes, 8u);
  model.Open();
  EXPECT_EQ(second.sum(), 2);
  EXPECT_EQ(third.sum(), 1);
  EXPECT_EQ(model->Statistics().queue_state.bytes, 0u);
}

TEST(SequenceModel, MeasuresTheTimeInTheBacklog) {
  metrics::MetricsOptions metrics;
  metrics.extended = true;
  Harness model(Closed(Plan(false, 1)), metrics);
  const Call first = model.Send(A, kStart | kEnd, 1);
  const Call second = model.Send(B, kStart | kEnd, 1);
  model.AwaitAtGate(1);
  const auto before = std::chrono::steady_clock::now();
  model.Gate(R"({"action":"release"})");
  first.sum();
  model.AwaitAtGate(1);
  model.Open();
  second.sum();
  const core::StageTimes times = second.sink->Wait().times;
  EXPECT_LT(times.queued, before);
  EXPECT_GT(times.compute_start, before);
  const metrics::ModelStatistics statistics = model->Statistics();
  EXPECT_GE(statistics.queue.ns,
            static_cast<uint64_t>((times.compute_start - times.queued).count()));
  const auto& counts = statistics.histograms[static_cast<size_t>(metrics::Stage::kQueue)].counts();
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), uint64_t{0}), 2u);
}

}  // namespace
}  // namespace serving::model
