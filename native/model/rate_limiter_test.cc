// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/rate_limiter.h"

#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "model/model.h"
#include "testing/model_harness.h"

namespace serving::model {
namespace {

using serving::testing::MakePlan;
using serving::testing::ModelHarness;
using serving::testing::Pending;

std::shared_ptr<RateLimiter> Limiter(std::vector<scheduler::ResourceLimit> limits = {}) {
  return std::make_shared<RateLimiter>(std::move(limits));
}

core::ModelPlan Needing(std::vector<core::InstanceLimit> limits, const char* closed) {
  core::ModelPlan plan = MakePlan("gate");
  plan.parameters = {{"closed", closed}};
  plan.instance_count = static_cast<int32_t>(limits.size());
  plan.instance_limits = std::move(limits);
  return plan;
}

core::InstanceLimit One(const char* resource) { return {.resources = {{resource, false, 1}}}; }

ModelOptions With(const std::shared_ptr<RateLimiter>& limiter) {
  ModelOptions options;
  options.budget = serving::testing::Unlimited();
  options.rate_limiter = limiter;
  return options;
}

TEST(RateLimiter, LetsAnInstanceWaitForThoseOfOtherModels) {
  const auto limiter = Limiter();
  ModelHarness first(Needing({One("r")}, "true"), nullptr, With(limiter));
  ModelHarness second(Needing({One("r")}, "true"), nullptr, With(limiter));
  const Pending running = first.EnqueueOne();
  first.AwaitAtGate(1);
  const Pending waiting = second.EnqueueOne();
  EXPECT_EQ(second.Statistics().queued, 1u);
  first.Control(R"({"action":"release"})");
  EXPECT_TRUE(running.is_echoed());
  second.AwaitAtGate(1);
  const Pending next = first.EnqueueOne();
  EXPECT_EQ(first.Statistics().queued, 1u);
  second.Control(R"({"action":"open"})");
  EXPECT_TRUE(waiting.is_echoed());
  first.Control(R"({"action":"open"})");
  EXPECT_TRUE(next.is_echoed());
}

TEST(RateLimiter, LeavesTheQueueToAnInstanceThatNeedsNothing) {
  const auto limiter = Limiter();
  ModelHarness other(Needing({One("r")}, "true"), nullptr, With(limiter));
  const Pending running = other.EnqueueOne();
  other.AwaitAtGate(1);
  ModelHarness model(Needing({One("r"), {}}, "false"), nullptr, With(limiter));
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(model.EnqueueOne().is_echoed());
  other.Control(R"({"action":"open"})");
  EXPECT_TRUE(running.is_echoed());
}

TEST(RateLimiter, LetsGoOfAnInstanceWhoseRequestLeft) {
  const auto limiter = Limiter();
  ModelHarness other(Needing({One("r")}, "true"), nullptr, With(limiter));
  const Pending running = other.EnqueueOne();
  other.AwaitAtGate(1);
  {
    ModelHarness model(Needing({One("r")}, "false"), nullptr, With(limiter));
    const Pending left = model.EnqueueOne();
    EXPECT_TRUE(model->RemoveQueued(left.sink.get(), base::Cancelled("left"),
                                    metrics::FailureReason::kCanceled));
    model->Stop();  // though nobody gives the resource back
  }
  other.Control(R"({"action":"open"})");
  EXPECT_TRUE(running.is_echoed());
}

TEST(RateLimiter, RefusesAModelThatCouldNeverRun) {
  const auto backend = serving::testing::FindBackend("gate");
  const auto model = Model::Load(Needing({One("r")}, "false"), *backend,
                                 With(Limiter({{"other", 1, std::nullopt}})));
  EXPECT_EQ(model.status().message(),
            "Resource count for \"r\" is limited to 0 which will prevent scheduling of one or more "
            "model instances, the minimum required count is 1");
}

TEST(RateLimiter, KeepsToTheLimitOverManyThreads) {
  constexpr int kHolders = 8;
  constexpr int kRuns = 300;
  constexpr int kAtOnce = 3;
  const auto limiter = Limiter({{"r", kAtOnce, std::nullopt}});
  std::atomic<int> running = 0;
  std::atomic<bool> is_over = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < kHolders; ++i) {
    threads.emplace_back([&] {
      const auto ticket = limiter->Register({{"r", false, 1}}, 1).Take();
      for (int run = 0; run < kRuns; ++run) {
        if (!ticket->Take()) return;
        if (++running > kAtOnce) is_over = true;
        --running;
        ticket->Release();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(is_over);
}

TEST(RateLimiter, AnswersEveryRequestOfModelsThatShare) {
  const auto limiter = Limiter();
  const core::InstanceLimit two = {.priority = 2, .resources = {{"r", false, 2}}};
  ModelHarness first(Needing({One("r"), One("r")}, "false"), nullptr, With(limiter));
  ModelHarness second(Needing({two, One("s")}, "false"), nullptr, With(limiter));
  std::vector<Pending> pending;
  for (int i = 0; i < 200; ++i) {
    pending.push_back(first.EnqueueOne());
    pending.push_back(second.EnqueueOne());
  }
  for (const Pending& one : pending) EXPECT_TRUE(one.is_echoed());
}

}  // namespace
}  // namespace serving::model
