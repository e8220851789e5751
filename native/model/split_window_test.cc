// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// Splitter: how many parts of a request are in the model at once, and what becomes of the others.

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "backend/copy_inputs.h"
#include "gtest/gtest.h"
#include "model/splitter.h"
#include "testing/model_harness.h"
#include "testing/requests.h"
#include "testing/scripted_instance.h"

namespace serving::model {
namespace {

using backend::Batch;
using metrics::FailureReason;
using serving::testing::Change;
using serving::testing::FindBackend;
using serving::testing::MakePlan;
using serving::testing::Pack;
using serving::testing::RecordingSink;
using serving::testing::RequestBuilder;
using serving::testing::ScriptedBackend;
using serving::testing::Unlimited;

constexpr int64_t kBatch = 4;
constexpr int64_t kParts = 100;
constexpr int64_t kRows = kBatch * kParts;

core::ModelPlan Plan(std::string backend, int instances = 1) {
  core::ModelPlan plan = MakePlan(std::move(backend), kBatch);
  plan.max_request_rows = kRows;
  plan.instance_count = instances;
  plan.parameters["closed"] = "true";
  return plan;
}

struct Asked {
  base::Ref<RecordingSink> sink;
  std::string sent;

  const base::Status& status() const { return sink->Wait().status; }
  bool is_echoed() const {
    return status().ok() && sink->Wait().outputs[0].bytes == sent && sink->responses().size() == 1;
  }
};

class SplitWindow : public ::testing::Test {
 protected:
  void Use(core::ModelPlan plan, std::unique_ptr<backend::Backend> backend = nullptr,
           RecoveryOptions recovery = {}) {
    backend_ = backend ? std::move(backend) : FindBackend(plan.backend);
    model_ = base::MakeRef<Splitter>(
        Model::Load(std::move(plan), *backend_,
                    {.budget = Unlimited(), .allow_inline = false, .recovery = recovery})
            .Take(),
        Unlimited());
  }
  // At a gate: so many have passed and so many stand before it.
  void Await(int executed, int waiting) {
    ASSERT_TRUE(model_
                    ->Control(R"({"action":"await","executed":)" + std::to_string(executed) +
                              R"(,"waiting":)" + std::to_string(waiting) + "}")
                    .ok());
  }
  void Release(int count) {
    ASSERT_TRUE(
        model_->Control(R"({"action":"release","count":)" + std::to_string(count) + "}").ok());
  }
  void Open() { ASSERT_TRUE(model_->Control(R"({"action":"open"})").ok()); }
  void ChangeInstances(core::ModelPlan plan, int instances) {
    plan.instance_count = instances;
    ASSERT_TRUE(Change(*model_, std::move(plan)).ok());
  }

  Asked Ask(int64_t rows, base::Instant deadline = base::kNever) {
    std::vector<int32_t> numbers;
    for (int64_t i = 0; i < rows; ++i) numbers.push_back(next_number_++);
    std::string sent = Pack(std::span<const int32_t>(numbers));
    RequestBuilder builder;
    builder.Rows(rows).Input(0, tensor::DataType::kInt32, {rows, 1}, sent);
    builder.request().id = "7";
    builder.request().deadline = deadline;
    Asked asked{builder.sink(), std::move(sent)};
    RequestChain chain;
    chain.Append(builder.Take());
    model_->Submit(std::move(chain), nullptr);
    return asked;
  }
  bool Cancel(const Asked& asked) {
    return model_->RemoveQueued(asked.sink.get(), base::Cancelled("Request is cancelled"),
                                FailureReason::kCanceled);
  }
  uint64_t Executions() { return model_->Statistics().execution_count; }
  uint64_t Waiting() { return model_->Statistics().queued; }
  void ExpectAllCounted(uint64_t requests, uint64_t failed) {
    const metrics::ModelStatistics statistics = model_->Statistics();
    EXPECT_EQ(statistics.received, requests);
    EXPECT_EQ(statistics.success.count, requests - failed);
    EXPECT_EQ(statistics.fail.count, failed);
    EXPECT_EQ(statistics.pending, 0u);
    EXPECT_EQ(statistics.queued, 0u);
  }

  std::atomic<int32_t> next_number_ = 0;
  std::unique_ptr<backend::Backend> backend_;
  base::Ref<Splitter> model_;
};

TEST_F(SplitWindow, LetsASmallRequestRunAfterTwoParts) {
  Use(Plan("gate"));
  const Asked large = Ask(kRows);
  Await(0, 1);
  EXPECT_EQ(Waiting(), 1u);
  const Asked small = Ask(1);
  Release(3);
  EXPECT_TRUE(small.is_echoed());
  EXPECT_FALSE(large.sink->is_answered());
  Open();
  EXPECT_TRUE(large.is_echoed());
  model_->Stop();
  EXPECT_EQ(Executions(), static_cast<uint64_t>(kParts) + 1);
  ExpectAllCounted(2, 0);
}

TEST_F(SplitWindow, LetsLargeRequestsTakeTurns) {
  Use(Plan("gate"));
  const Asked large = Ask(kRows);
  Await(0, 1);
  const Asked other = Ask(3 * kBatch);
  Release(7);  // two of each twice, at most
  EXPECT_TRUE(other.is_echoed());
  EXPECT_FALSE(large.sink->is_answered());
  Open();
  EXPECT_TRUE(large.is_echoed());
}

TEST_F(SplitWindow, UsesAllInstancesAndThoseThatCome) {
  Use(Plan("gate"));
  const Asked large = Ask(kRows);
  Await(0, 1);
  ChangeInstances(Plan("gate"), 3);
  Release(1);
  Await(1, 3);
  EXPECT_EQ(Waiting(), 3u);
  Release(1);
  Await(2, 3);
  EXPECT_EQ(Waiting(), 3u);
  Open();
  EXPECT_TRUE(large.is_echoed());
  ChangeInstances(Plan("gate"), 1);
  ASSERT_TRUE(model_->Control(R"({"action":"close"})").ok());
  const Asked another = Ask(kRows);
  Await(0, 1);
  EXPECT_EQ(Waiting(), 1u);
  Open();
  EXPECT_TRUE(another.is_echoed());
}

TEST_F(SplitWindow, IsOfAllPartsWhereAnswersKeepTheOrder) {
  core::ModelPlan plan = Plan("gate");
  plan.batching.emplace().preserve_ordering = true;
  Use(std::move(plan));
  const Asked large = Ask(kRows);
  Await(0, 1);
  EXPECT_EQ(Waiting(), static_cast<uint64_t>(kParts) - 1);
  Open();
  EXPECT_TRUE(large.is_echoed());
}

struct LimitCase {
  const char* name;
  core::QueuePlan queue;
};

core::QueuePlan OfSize(int64_t size) {
  core::QueuePlan queue;
  queue.max_queue_size = size;
  return queue;
}

core::QueuePlan OfBytes(uint64_t bytes) {
  core::QueuePlan queue;
  queue.max_queue_bytes = bytes;
  return queue;
}

core::QueuePlan OfClasses(int64_t size) {
  core::QueuePlan queue;
  queue.priority_levels = 3;
  queue.default_priority_level = 2;
  queue.classes.emplace().max_queue_size = size;
  return queue;
}

class SplitLimits : public SplitWindow, public ::testing::WithParamInterface<LimitCase> {};

// Two parts, or a part and a request, may wait.
TEST_P(SplitLimits, AreForRequestsAndNotForPartsThatFollow) {
  core::ModelPlan plan = Plan("gate");
  plan.queue = GetParam().queue;
  Use(std::move(plan));
  const Asked large = Ask(kRows);
  Await(0, 1);
  const Asked fits = Ask(kBatch);
  const Asked refused = Ask(kBatch);
  EXPECT_EQ(refused.status().code(), base::StatusCode::kUnavailable);
  Release(1);
  Await(1, 1);
  EXPECT_EQ(Waiting(), 2u);
  Open();
  EXPECT_TRUE(large.is_echoed());
  EXPECT_TRUE(fits.is_echoed());
  model_->Stop();
  ExpectAllCounted(3, 1);
}

INSTANTIATE_TEST_SUITE_P(Limits, SplitLimits,
                         ::testing::Values(LimitCase{"Requests", OfSize(2)},
                                           LimitCase{"Bytes", OfBytes(32)},
                                           LimitCase{"Classes", OfClasses(3)}),
                         [](const auto& info) { return info.param.name; });

TEST_F(SplitWindow, RunsNoPartAfterItsRequestWasTakenOut) {
  Use(Plan("gate"));
  const Asked large = Ask(kRows);
  Release(2);
  Await(2, 1);
  EXPECT_TRUE(Cancel(large));
  EXPECT_EQ(large.status().message(), "[request id: 7] Request is cancelled");
  EXPECT_FALSE(Cancel(large));
  EXPECT_EQ(Waiting(), 0u);
  Open();
  model_->Stop();
  EXPECT_EQ(Executions(), 3u);
  ExpectAllCounted(1, 1);
  EXPECT_EQ(model_->Statistics().failures[static_cast<size_t>(FailureReason::kCanceled)], 1u);
}

TEST_F(SplitWindow, IsLeftAtOnceByARequestOfWhichNoPartIsInTheQueue) {
  Use(Plan("gate"));
  const Asked large = Ask(kRows);
  Await(0, 1);
  ChangeInstances(Plan("gate"), 3);
  Await(0, 2);
  EXPECT_EQ(Waiting(), 0u);
  EXPECT_TRUE(Cancel(large));
  EXPECT_EQ(large.status().message(), "[request id: 7] Request is cancelled");
  EXPECT_EQ(model_->Statistics().pending, 0u) << "of requests";
  Open();
  model_->Stop();
  EXPECT_EQ(Executions(), 2u);
  ExpectAllCounted(1, 1);
}

TEST_F(SplitWindow, RunsNoPartOfACancelledRequest) {
  Use(Plan("gate"));
  const Asked large = Ask(kRows);
  Release(2);
  Await(2, 1);
  large.sink->Cancel();
  Open();
  EXPECT_EQ(large.status().code(), base::StatusCode::kCancelled);
  model_->Stop();
  EXPECT_EQ(Executions(), 3u);
}

TEST_F(SplitWindow, RunsNoPartAfterTheDeadline) {
  std::atomic<int> runs = 0;
  Use(Plan("scripted"), std::make_unique<ScriptedBackend>([&](Batch& batch) {
        const base::Instant deadline = batch.requests()[0]->deadline;
        if (++runs == 5) std::this_thread::sleep_until(deadline);
        batch.Complete(backend::CopyInputs("", batch));
      }));
  const Asked large = Ask(kRows, std::chrono::steady_clock::now() + std::chrono::milliseconds(50));
  EXPECT_EQ(large.status().code(), base::StatusCode::kDeadlineExceeded);
  model_->Stop();
  EXPECT_LE(runs, 5);
  ExpectAllCounted(1, 1);
}

TEST_F(SplitWindow, RunsNoPartAfterOneThatFails) {
  std::atomic<int> runs = 0;
  Use(Plan("scripted"), std::make_unique<ScriptedBackend>([&](Batch& batch) {
        const bool fails = ++runs == 50;
        batch.Complete(fails ? base::Internal("no") : backend::CopyInputs("", batch));
      }));
  const Asked large = Ask(kRows);
  EXPECT_EQ(large.status().message(), "no");
  model_->Stop();
  EXPECT_EQ(runs, 50);
  ExpectAllCounted(1, 1);
}

TEST_F(SplitWindow, FailsOnceWhenTheModelTakesNoMore) {
  std::atomic<int> runs = 0;
  Use(Plan("scripted"), std::make_unique<ScriptedBackend>([&](Batch& batch) {
        if (++runs == 50) batch.Poison("device lost");
        batch.Complete(backend::CopyInputs("", batch));
      }),
      {.most_attempts = 0});
  const Asked large = Ask(kRows);
  EXPECT_EQ(large.status().message(),
            "[request id: 7] model 'm' has no instance that works: device lost");
  model_->Stop();
  EXPECT_EQ(runs, 50);
  ExpectAllCounted(1, 1);
}

TEST_F(SplitWindow, GoesOnWhereAnInstanceIsRebuilt) {
  std::atomic<int> runs = 0;
  Use(Plan("scripted", 3), std::make_unique<ScriptedBackend>([&](Batch& batch) {
        if (++runs % 30 == 0) batch.Poison("device lost");
        batch.Complete(backend::CopyInputs("", batch));
      }),
      {.trusted_after = base::Nanoseconds(0)});
  EXPECT_TRUE(Ask(kRows).is_echoed());
  EXPECT_TRUE(Ask(kRows).is_echoed());
}

TEST_F(SplitWindow, EndsWhatIsInsideWhenItStops) {
  for (const int instances : {1, 3}) {
    Use(Plan("gate", instances));
    const Asked large = Ask(kRows);
    const Asked other = Ask(kRows);
    const Asked small = Ask(1);
    Await(0, instances);
    model_->Stop();
    EXPECT_TRUE(large.is_echoed());
    EXPECT_TRUE(other.is_echoed());
    EXPECT_TRUE(small.is_echoed());
    const Asked late = Ask(kRows);
    EXPECT_EQ(late.status().message(),
              "[request id: 7] Server is stopping, scheduler for model has stopped accepting new "
              "inference requests");
    ExpectAllCounted(4, 1);
    model_->Stop();
  }
}

// Instances are given up on while their parts succeed, and nobody rebuilds them any more.
TEST_F(SplitWindow, StopsThoughItsInstancesAreLostMeanwhile) {
  for (const int instances : {1, 3}) {
    std::atomic<int> runs = 0;
    std::atomic<bool> is_stopping = false;
    Use(Plan("scripted", instances), std::make_unique<ScriptedBackend>([&](Batch& batch) {
          if (++runs > 10) {
            is_stopping.wait(false);
            batch.Poison("device lost");
          }
          batch.Complete(backend::CopyInputs("", batch));
        }));
    const Asked large = Ask(kRows);
    std::thread stopping([&] { model_->Stop(); });
    for (bool refuses = false; !refuses;) {
      const Asked probe = Ask(1);
      refuses = probe.sink->is_answered() && !probe.status().ok();
    }
    is_stopping = true;
    is_stopping.notify_all();
    stopping.join();
    EXPECT_FALSE(large.status().ok());
    EXPECT_EQ(model_->Statistics().pending, 0u);
  }
}

TEST_F(SplitWindow, AnswersEachOnceThroughChangesCancelsAndTheEnd) {
  const core::ModelPlan plan = Plan("identity", 2);
  Use(plan);
  std::atomic<uint64_t> asked = 0;
  std::atomic<uint64_t> failed = 0;
  std::vector<std::thread> clients;
  for (int client = 0; client < 3; ++client) {
    clients.emplace_back([&, client] {
      for (int i = 0;; ++i) {
        const Asked one = Ask(1 + (client * 131 + i * 37) % kRows);
        ++asked;
        if (i % 5 == 0) one.sink->Cancel();
        if (i % 3 == 0) Cancel(one);
        if (one.status().ok()) {
          EXPECT_TRUE(one.is_echoed());
          continue;
        }
        ++failed;
        if (one.status().code() != base::StatusCode::kCancelled) return;
      }
    });
  }
  uint64_t enough = 0;
  for (const int instances : {4, 1, 2, 3, 1, 4}) {
    enough += 50;
    while (asked < enough) std::this_thread::yield();
    ChangeInstances(plan, instances);
  }
  model_->Stop();
  for (std::thread& client : clients) client.join();
  ExpectAllCounted(asked, failed);
}

}  // namespace
}  // namespace serving::model
