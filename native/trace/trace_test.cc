// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "trace/record.h"
#include "trace/record_queue.h"
#include "trace/sampler.h"

namespace serving::trace {
namespace {

constexpr Level kTimes{.timestamps = true, .tensors = false};
constexpr Level kAll{.timestamps = true, .tensors = true};

TEST(Sampler, TakesEveryRateThRequest) {
  Sampler sampler(1, kTimes, 3, -1);
  std::string taken;
  for (int i = 0; i < 7; ++i) taken += sampler.Sample() ? 'x' : '.';
  EXPECT_EQ(taken, "..x..x.");
  EXPECT_EQ(sampler.remaining(), -1);
}

TEST(Sampler, EndsAfterItsCount) {
  Sampler sampler(1, kTimes, 1, 2);
  EXPECT_TRUE(sampler.Sample());
  EXPECT_EQ(sampler.remaining(), 1);
  EXPECT_TRUE(sampler.Sample());
  EXPECT_FALSE(sampler.Sample());
  EXPECT_EQ(sampler.remaining(), 0);
}

TEST(Sampler, TakesNothingWhenOff) {
  Sampler sampler(1, {}, 1, -1);
  EXPECT_FALSE(sampler.Sample());
}

TEST(Sampler, NeverTakesMoreThanItsCountFromManyThreads) {
  Sampler sampler(1, kTimes, 1, 100);
  std::atomic<int> taken{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 1000; ++j) taken += sampler.Sample() ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, 100);
}

TEST(Plan, AModelMayHaveItsOwnSampler) {
  const auto global = base::MakeRef<Sampler>(1, kTimes, 1, -1);
  const auto own = base::MakeRef<Sampler>(2, kAll, 5, -1);
  Plan plan(global, false);
  plan.Add("m", own);
  EXPECT_EQ(plan.Find("m").id(), 2u);
  EXPECT_EQ(plan.Find("other").id(), 1u);
}

core::InputTensor& AddInput(core::InferRequest& request, std::string_view bytes) {
  core::InputTensor& input = request.AddInput();
  input.name = "in";
  input.byte_size = bytes.size();
  input.parts.push_back(
      {.data = reinterpret_cast<const std::byte*>(bytes.data()), .size = bytes.size()});
  return input;
}

TEST(Record, CopiesTensorsOnlyAtTheirLevel) {
  core::ModelPlan plan;
  plan.name = "m";
  plan.version = 3;
  plan.outputs.resize(1);
  plan.outputs[0].tensor.name = "out";
  core::InferRequest request;
  request.id = "r";
  AddInput(request, "abcd");
  core::InferResponse response;
  core::OutputTensor& output = response.outputs.emplace_back();
  output.view = {.data = reinterpret_cast<const std::byte*>("wxyz"), .size = 4};
  response.is_final = true;
  response.times.queued = base::Instant(std::chrono::nanoseconds(5));

  Record plain(*base::MakeRef<Sampler>(1, kTimes, 1, -1), true);
  plain.NoteRequest(plan, request);
  plain.NoteResponse(plan, response);
  EXPECT_TRUE(plain.tensors().empty());
  ASSERT_EQ(plain.stamps().size(), 1u);  // the times that have not come are left out
  EXPECT_EQ(MomentName(plain.stamps()[0].moment), "QUEUE_START");
  EXPECT_EQ(plain.model_version, 3);

  Record full(*base::MakeRef<Sampler>(1, kAll, 1, -1), true);
  full.NoteRequest(plan, request);
  full.NoteResponse(plan, response);
  ASSERT_EQ(full.tensors().size(), 2u);
  EXPECT_EQ(full.tensors()[0].bytes, "abcd");
  EXPECT_EQ(full.tensors()[1].name, "out");
  EXPECT_EQ(full.tensors()[1].bytes, "wxyz");
  EXPECT_GT(full.id, plain.id);
}

// Steps of a request to an ensemble, ended one by one.
struct TracedSteps {
  core::ModelPlan plan;
  base::Ref<Sampler> sampler = base::MakeRef<Sampler>(7, kAll, 1, -1);
  std::unique_ptr<Record> root = std::make_unique<Record>(*sampler, true);
  base::Ref<StepRecords> steps = base::MakeRef<StepRecords>();
  StepTracer tracer{*root, steps};

  TracedSteps() { plan.outputs.resize(1); }

  base::Ref<core::RequestObserver> Begin(core::RequestObserver& above, std::string name,
                                         std::string_view bytes = "x") {
    plan.name = std::move(name);
    core::InferRequest request;
    AddInput(request, bytes);
    return above.OnStep(plan, request);
  }
  void End(core::RequestObserver& step) {
    core::InferResponse response;
    response.is_final = true;
    step.OnResponse(plan, response);
  }
};

TEST(StepTracer, RecordsStepsBelowTheirEnsembles) {
  TracedSteps traced;
  const auto inner = traced.Begin(traced.tracer, "inner");
  const auto leaf = traced.Begin(*inner, "leaf");
  traced.End(*leaf);
  traced.End(*inner);
  RecordQueue queue;
  const uint64_t root_id = traced.root->id;
  queue.Push(std::move(traced.root), traced.steps->Take());
  const auto records = queue.TakeAll();
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0]->model_name, "leaf");
  EXPECT_EQ(records[0]->parent_id, records[1]->id);
  EXPECT_EQ(records[1]->model_name, "inner");
  EXPECT_EQ(records[1]->parent_id, root_id);
  EXPECT_EQ(records[2]->parent_id, 0u);
  EXPECT_EQ(records[0]->sampler_id, 7u);
  EXPECT_TRUE(records[0]->is_grpc);
  EXPECT_EQ(records[0]->tensors()[0].bytes, "x");
  EXPECT_EQ(MomentName(records[0]->stamps().back().moment), "REQUEST_END");
}

TEST(StepTracer, LeavesOutWhatComesTooLateOrIsTooMuch) {
  TracedSteps traced;
  const auto late = traced.Begin(traced.tracer, "late");
  const std::string large(Record::kMaxTensorBytes, 'x');
  for (int i = 0; i < 5; ++i) traced.End(*traced.Begin(traced.tracer, "large", large));
  const StepRecords::Taken taken = traced.steps->Take();
  EXPECT_EQ(taken.records.size(), 3u);
  EXPECT_EQ(taken.dropped, 2u);
  traced.End(*late);
  traced.End(*late);
  EXPECT_TRUE(traced.steps->Take().records.empty());
}

TEST(Record, AnEnsembleComputesNothing) {
  core::ModelPlan plan;
  plan.ensemble.emplace();
  core::InferResponse response;
  response.is_final = true;
  response.times.queued = response.times.compute_start = response.times.output_end =
      base::Instant(std::chrono::nanoseconds(5));
  Record record(*base::MakeRef<Sampler>(1, kTimes, 1, -1), true);
  record.NoteResponse(plan, response);
  ASSERT_EQ(record.stamps().size(), 1u);
  EXPECT_EQ(MomentName(record.stamps()[0].moment), "QUEUE_START");
}

TEST(Record, StopsCopyingAtItsBound) {
  core::ModelPlan plan;
  core::InferRequest request;
  const std::string large(Record::kMaxTensorBytes - 1, 'x');
  AddInput(request, large);
  AddInput(request, "ab");
  AddInput(request, "c");
  Record record(*base::MakeRef<Sampler>(1, kAll, 1, -1), false);
  record.NoteRequest(plan, request);
  ASSERT_EQ(record.tensors().size(), 2u);
  EXPECT_EQ(record.tensors()[1].bytes, "c");
  EXPECT_TRUE(record.is_cut());
}

TEST(RecordQueue, DropsWhatDoesNotFit) {
  core::ModelPlan plan;
  core::InferRequest request;
  const std::string large(Record::kMaxTensorBytes, 'x');
  AddInput(request, large);
  const auto sampler = base::MakeRef<Sampler>(1, kAll, 1, -1);
  RecordQueue queue;
  for (int i = 0; i < 20; ++i) {
    auto record = std::make_unique<Record>(*sampler, false);
    record->NoteRequest(plan, request);
    queue.Push(std::move(record));
  }
  EXPECT_EQ(queue.TakeAll().size(), 15u);
  EXPECT_EQ(queue.dropped(), 5u);
  EXPECT_TRUE(queue.TakeAll().empty());
}

}  // namespace
}  // namespace serving::trace
