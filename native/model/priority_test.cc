// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <semaphore>
#include <string>
#include <vector>

#include "backend/copy_inputs.h"
#include "gtest/gtest.h"
#include "model/model.h"
#include "testing/model_harness.h"
#include "testing/scripted_instance.h"

namespace serving::model {
namespace {

using serving::testing::MakePlan;
using serving::testing::ModelHarness;
using serving::testing::Pending;
using serving::testing::ScriptedBackend;

// A model whose first execution waits until it is let go; says the rows of each execution in their
// order. Requests are told apart by their rows.
class ModelPriorities : public ::testing::Test {
 protected:
  ~ModelPriorities() override { Open(); }

  void Load(core::QueuePlan queue) {
    core::ModelPlan plan = MakePlan("scripted", 100);
    plan.queue = std::move(queue);
    model_.emplace(plan, std::make_unique<ScriptedBackend>(
                             [this](backend::Batch& batch) {
                               if (is_first_) {
                                 is_first_ = false;
                                 entered_.release();
                                 gate_.acquire();
                               } else {
                                 ran_.push_back(batch.rows());
                               }
                               batch.Complete(backend::CopyInputs("", batch));
                             },
                             false));
    Submit(0, 50);
    entered_.acquire();
  }
  Pending Submit(uint64_t priority, int64_t rows, uint64_t timeout_us = 0) {
    auto [request, pending] = model_->Make(rows, timeout_us);
    request->priority = priority;
    RequestChain chain;
    chain.Append(std::move(request));
    (*model_)->Submit(std::move(chain), nullptr);
    all_.push_back(pending);
    return pending;
  }
  Pending SubmitAs(core::ParameterValue priority_class, int64_t rows) {
    auto [request, pending] = model_->Make(rows);
    request->parameters.push_back({"other", true});
    request->parameters.push_back({"priority_class", priority_class});
    RequestChain chain;
    chain.Append(std::move(request));
    (*model_)->Submit(std::move(chain), nullptr);
    all_.push_back(pending);
    return pending;
  }
  void Open() {
    if (model_ && !is_open_) gate_.release();
    is_open_ = true;
  }
  // The rows of the executions, when everything is answered.
  std::vector<int64_t> Ran() {
    Open();
    for (const Pending& pending : all_) pending.Wait();
    (*model_)->Stop();
    return ran_;
  }

  std::binary_semaphore entered_{0};
  std::binary_semaphore gate_{0};
  bool is_first_ = true;
  bool is_open_ = false;
  std::vector<int64_t> ran_;
  std::vector<Pending> all_;
  std::optional<ModelHarness> model_;
};

core::QueuePlan Classes(base::Nanoseconds ageing, int64_t max_queue_size = 0) {
  core::QueuePlan queue;
  queue.priority_levels = 3;
  queue.default_priority_level = 2;
  queue.classes = {.ageing = ageing, .max_queue_size = max_queue_size};
  return queue;
}

core::QueuePlan Levels(uint64_t count, uint64_t default_level) {
  core::QueuePlan queue;
  queue.priority_levels = count;
  queue.default_priority_level = default_level;
  return queue;
}

TEST_F(ModelPriorities, RunHigherLevelsFirst) {
  Load(Levels(3, 2));
  Submit(3, 1);
  Submit(0, 2);  // the default
  Submit(1, 3);
  Submit(9, 4);  // no such level: the default
  Submit(1, 5);
  EXPECT_EQ(Ran(), (std::vector<int64_t>{3, 5, 2, 4, 1}));
}

TEST_F(ModelPriorities, FollowTheClassOfARequest) {
  using std::string_view_literals::operator""sv;
  Load(Classes(std::chrono::hours(1)));
  SubmitAs("background"sv, 1);
  SubmitAs("standard"sv, 2);
  Submit(0, 3);
  SubmitAs("interactive"sv, 4);
  EXPECT_EQ(SubmitAs("urgent"sv, 5).message(),
            "[request id: <id_unknown>] parameter 'priority_class': expected 'interactive', "
            "'standard' or 'background', got 'urgent'");
  EXPECT_FALSE(SubmitAs(int64_t{1}, 6).Wait().status.ok());
  EXPECT_EQ(Ran(), (std::vector<int64_t>{4, 2, 3, 1}));
}

TEST_F(ModelPriorities, LetAClassAge) {
  using std::string_view_literals::operator""sv;
  Load(Classes(std::chrono::nanoseconds(1)));
  SubmitAs("background"sv, 1);
  SubmitAs("standard"sv, 2);
  SubmitAs("interactive"sv, 3);
  EXPECT_EQ(Ran(), (std::vector<int64_t>{1, 2, 3}));
}

TEST_F(ModelPriorities, LeaveRoomToTheClassesBefore) {
  using std::string_view_literals::operator""sv;
  Load(Classes(std::chrono::nanoseconds(1), 4));
  const std::string full = "[request id: <id_unknown>] Exceeds maximum queue size";
  SubmitAs("background"sv, 1);
  SubmitAs("background"sv, 2);
  EXPECT_EQ(SubmitAs("background"sv, 9).message(), full);
  SubmitAs("standard"sv, 3);
  EXPECT_EQ(SubmitAs("standard"sv, 9).message(), full);
  SubmitAs("interactive"sv, 4);
  EXPECT_EQ(SubmitAs("interactive"sv, 9).message(), full);
  EXPECT_EQ(Ran(), (std::vector<int64_t>{1, 2, 3, 4}));
}

TEST_F(ModelPriorities, LimitEachLevel) {
  core::QueuePlan queue = Levels(2, 2);
  queue.max_queue_size = 1;
  queue.level_policies[1] = {.max_queue_size = 2};
  Load(queue);
  Submit(2, 1);
  EXPECT_EQ(Submit(2, 2).message(), "[request id: <id_unknown>] Exceeds maximum queue size");
  Submit(1, 3);
  Submit(1, 4);
  EXPECT_EQ(Submit(1, 5).message(), "[request id: <id_unknown>] Exceeds maximum queue size");
  EXPECT_EQ(model_->Statistics().queued, 3u);
  EXPECT_EQ(Ran(), (std::vector<int64_t>{3, 4, 1}));
  const auto statistics = model_->Statistics();
  EXPECT_EQ(statistics.failures[static_cast<size_t>(metrics::FailureReason::kRejected)], 2u);
  EXPECT_EQ(statistics.queued, 0u);
  EXPECT_EQ(statistics.pending, 0u);
}

TEST_F(ModelPriorities, DelayWhatHasExpiredBehindTheOthersOfItsLevel) {
  core::QueuePlan queue = Levels(2, 1);
  queue.default_timeout = std::chrono::hours(1);
  queue.allow_timeout_override = true;
  queue.delays_expired = true;
  Load(queue);
  Submit(2, 1);
  Submit(1, 2, /*timeout_us=*/1);
  Submit(1, 3);
  Submit(1, 4, /*timeout_us=*/1);
  EXPECT_EQ(Ran(), (std::vector<int64_t>{3, 2, 4, 1}));
  EXPECT_EQ(model_->Statistics().success.count, 5u);
}

TEST_F(ModelPriorities, GiveATimeoutToTheLevelThatHasOne) {
  core::QueuePlan queue = Levels(3, 3);
  queue.level_policies[2] = {.default_timeout = std::chrono::seconds(2)};
  queue.level_policies[3] = {.default_timeout = std::chrono::seconds(3), .delays_expired = true};
  Load(queue);
  core::InferRequest request;
  const auto timeout = [&](uint64_t priority) {
    request.priority = priority;
    return (*model_)->QueueTimeout(request);
  };
  EXPECT_EQ(timeout(1), std::nullopt);
  EXPECT_EQ(timeout(2), std::chrono::seconds(2));
  EXPECT_EQ(timeout(3), std::nullopt);  // it is not refused
  EXPECT_EQ(timeout(0), std::nullopt);
}

TEST_F(ModelPriorities, TakeARequestOutOfAnyLevel) {
  Load(Levels(2, 1));
  const Pending first = Submit(2, 1);
  Submit(1, 2);
  const Pending second = Submit(1, 3);
  for (const Pending& gone : {first, second}) {
    EXPECT_TRUE((*model_)->RemoveQueued(gone.sink.get(), base::Cancelled("gone"),
                                        metrics::FailureReason::kCanceled));
    EXPECT_EQ(gone.message(), "[request id: <id_unknown>] gone");
  }
  EXPECT_EQ(Ran(), (std::vector<int64_t>{2}));
}

TEST_F(ModelPriorities, NeverRunWhatIsPastItsDeadline) {
  Load({});
  auto [request, late] = model_->Make(1);
  request->deadline = std::chrono::steady_clock::now();
  RequestChain chain;
  chain.Append(std::move(request));
  (*model_)->Submit(std::move(chain), nullptr);
  Submit(0, 2);
  EXPECT_EQ(Ran(), (std::vector<int64_t>{2}));
  EXPECT_EQ(late.Wait().status.code(), base::StatusCode::kDeadlineExceeded);
}

// A hundred thousand leave a queue one by one, from its back: to look for each would take minutes.
TEST_F(ModelPriorities, LetAStormOfRequestsLeaveAFullQueue) {
  Load({});
  std::vector<Pending> waiting;
  for (int i = 0; i < 100'000; ++i) waiting.push_back(Submit(0, 1));
  for (size_t i = waiting.size(); i-- > 0;) {
    waiting[i].sink->Cancel();
    ASSERT_TRUE((*model_)->RemoveQueued(waiting[i].sink.get(), base::Cancelled("gone"),
                                        metrics::FailureReason::kCanceled));
  }
  EXPECT_EQ(model_->Statistics().queued, 0u);
  EXPECT_EQ(Ran(), std::vector<int64_t>());
}

}  // namespace
}  // namespace serving::model
