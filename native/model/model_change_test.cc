// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include "backend/copy_inputs.h"
#include "gtest/gtest.h"
#include "model/model.h"
#include "testing/model_harness.h"
#include "testing/scripted_instance.h"

namespace serving::model {
namespace {

using serving::testing::Change;
using serving::testing::MakePlan;
using serving::testing::ModelHarness;
using serving::testing::Pack;
using serving::testing::Pending;
using serving::testing::RequestBuilder;
using std::chrono::microseconds;
using std::chrono::milliseconds;

core::ModelPlan Times(core::ModelPlan plan, int instances) {
  plan.instance_count = instances;
  return plan;
}

core::ModelPlan Batching(core::ModelPlan plan, bool preserve_ordering = false) {
  plan.batching.emplace().preserve_ordering = preserve_ordering;
  return plan;
}

core::ModelPlan Gate(int instances = 1) {
  core::ModelPlan plan = Times(MakePlan("gate"), instances);
  plan.parameters = {{"closed", "true"}};
  return plan;
}

size_t Instances(ModelHarness& model) { return model.Statistics().instances.size(); }

// Executes as it is told; instances beyond `most` cannot be made.
class LimitedBackend final : public backend::Backend {
 public:
  explicit LimitedBackend(int most) : most_(most) {}

  std::string_view name() const override { return "limited"; }
  bool may_run_inline(const core::ModelPlan&) const override { return false; }
  base::Result<std::unique_ptr<backend::BackendModel>> Load(const core::ModelPlan&) override {
    return std::unique_ptr<backend::BackendModel>(std::make_unique<LimitedModel>(*this));
  }
  int living() const { return living_; }

 private:
  struct LimitedInstance final : backend::Instance {
    explicit LimitedInstance(LimitedBackend& owner) : owner(owner) { ++owner.living_; }
    ~LimitedInstance() override { --owner.living_; }
    void Execute(backend::Batch& batch) override {
      batch.Complete(backend::CopyInputs("limited", batch));
    }
    LimitedBackend& owner;
  };
  struct LimitedModel final : backend::BackendModel {
    explicit LimitedModel(LimitedBackend& owner) : owner(owner) {}
    base::Result<std::unique_ptr<backend::Instance>> CreateInstance(int index) override {
      if (index >= owner.most_) return base::Unavailable("no room for another instance");
      return std::unique_ptr<backend::Instance>(std::make_unique<LimitedInstance>(owner));
    }
    LimitedBackend& owner;
  };

  const int most_;
  std::atomic<int> living_{0};
};

// Clients that ask until they are told to stop, each of one request at a time.
class Clients {
 public:
  Clients(Model& model, int threads, bool may_run_inline) {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this, &model, may_run_inline] { Ask(model, may_run_inline); });
    }
  }
  ~Clients() { Stop(); }

  // More than so many answers have come.
  void AwaitAnswers(uint64_t count) const {
    while (right_ + wrong_ < count) std::this_thread::yield();
  }
  void Stop() {
    is_over_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  uint64_t right() const { return right_; }
  uint64_t wrong() const { return wrong_; }

 private:
  void Ask(Model& model, bool may_run_inline) {
    while (!is_over_) {
      const std::string sent = Pack<int32_t>({next_++});
      RequestBuilder builder;
      builder.Rows(1).Input(0, tensor::DataType::kInt32, {1, 1}, sent);
      const auto sink = builder.sink();
      RequestChain chain;
      chain.Append(builder.Take());
      InlineAllowance allowance{.left = std::chrono::seconds(1)};
      model.Submit(std::move(chain), may_run_inline ? &allowance : nullptr);
      const auto& answer = sink->Wait();
      const bool is_right = answer.status.ok() && answer.outputs[0].bytes == sent;
      ++(is_right ? right_ : wrong_);
    }
  }

  std::atomic<int32_t> next_{0};
  std::atomic<bool> is_over_{false};
  std::atomic<uint64_t> right_{0};
  std::atomic<uint64_t> wrong_{0};
  std::vector<std::thread> threads_;
};

struct UnderLoadCase {
  const char* name;
  core::ModelPlan plan;
  bool may_run_inline = false;
};

class ModelChangeUnderLoad : public ::testing::TestWithParam<UnderLoadCase> {};

TEST_P(ModelChangeUnderLoad, AnswersEachRequestOnce) {
  const UnderLoadCase& param = GetParam();
  ModelHarness model(param.plan, nullptr, param.may_run_inline);
  Clients clients(*model, 4, param.may_run_inline);
  uint64_t answers = 0;
  for (const int instances : {4, 1, 2, 3, 1, 4, 2, 4, 1}) {
    clients.AwaitAnswers(answers += 100);
    core::ModelPlan next = Times(param.plan, instances);
    next.queue.max_queue_size = 1000 + instances;
    if (next.batching) next.batching->max_queue_delay = microseconds(10 * instances);
    ASSERT_TRUE(Change(*model, next).ok());
    ASSERT_EQ(Instances(model), static_cast<size_t>(instances));
    model->Trim();
  }
  clients.AwaitAnswers(answers + 100);
  clients.Stop();
  EXPECT_EQ(clients.wrong(), 0u);
  const auto statistics = model.Statistics();
  EXPECT_EQ(statistics.received, clients.right());
  EXPECT_EQ(statistics.success.count, clients.right());
  EXPECT_EQ(statistics.pending, 0u);
  EXPECT_EQ(statistics.queued, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Plans, ModelChangeUnderLoad,
    ::testing::Values(UnderLoadCase{"Direct", MakePlan("identity")},
                      UnderLoadCase{"Inline", MakePlan("identity"), true},
                      UnderLoadCase{"Batching", Batching(MakePlan("identity"))},
                      UnderLoadCase{"InlineBatching", Batching(MakePlan("identity")), true},
                      UnderLoadCase{"Ordered", Batching(MakePlan("identity"), true)},
                      UnderLoadCase{"InlineOrdered", Batching(MakePlan("identity"), true), true},
                      UnderLoadCase{"Sleeping", Batching(MakePlan("sleep"))}),
    [](const auto& info) { return info.param.name; });

TEST(ModelChange, AddsInstancesThatServe) {
  ModelHarness model(Gate());
  const Pending first = model.EnqueueOne();
  model.AwaitAtGate(1);
  const Pending second = model.EnqueueOne();
  ASSERT_TRUE(Change(*model, Gate(2)).ok());
  model.AwaitAtGate(2);  // the second waited for the first, and now runs beside it
  model.Control(R"({"action":"open"})");
  EXPECT_TRUE(first.is_echoed());
  EXPECT_TRUE(second.is_echoed());
}

TEST(ModelChange, LetsAnInstanceThatGoesEndItsBatch) {
  ModelHarness model(Gate(2));
  const auto running = model.Enqueue(2);
  model.AwaitAtGate(2);
  auto change = std::async(std::launch::async, [&] { return Change(*model, Gate(1)); });
  while (Instances(model) != 1) std::this_thread::yield();
  const Pending next = model.EnqueueOne();
  EXPECT_FALSE(running[0].sink->is_answered());
  model.Control(R"({"action":"open"})");
  EXPECT_TRUE(change.get().ok());
  for (const Pending& pending : running) EXPECT_TRUE(pending.is_echoed());
  EXPECT_TRUE(next.is_echoed());
}

TEST(ModelChange, DestroysInstancesThatGo) {
  auto backend = std::make_unique<LimitedBackend>(4);
  const LimitedBackend& limited = *backend;
  ModelHarness model(Times(MakePlan("limited"), 3), std::move(backend));
  ASSERT_TRUE(Change(*model, Times(MakePlan("limited"), 1)).ok());
  EXPECT_EQ(limited.living(), 1);
  ASSERT_TRUE(Change(*model, Times(MakePlan("limited"), 4)).ok());
  EXPECT_EQ(limited.living(), 4);
}

TEST(ModelChange, LeavesAllAsItWasWhenAnInstanceCannotBeMade) {
  auto backend = std::make_unique<LimitedBackend>(2);
  const LimitedBackend& limited = *backend;
  ModelHarness model(MakePlan("limited"), std::move(backend));
  core::ModelPlan next = Times(MakePlan("limited"), 3);
  next.queue.default_timeout = milliseconds(5);
  EXPECT_EQ(Change(*model, next).message(), "no room for another instance");
  EXPECT_EQ(limited.living(), 1);
  EXPECT_EQ(Instances(model), 1u);
  EXPECT_FALSE(model->QueueTimeout(*model.Make().first));
  EXPECT_TRUE(model.EnqueueOne().is_echoed());
}

TEST(ModelChange, LeavesAllAsItWasWhenItIsDropped) {
  auto backend = std::make_unique<LimitedBackend>(4);
  const LimitedBackend& limited = *backend;
  ModelHarness model(MakePlan("limited"), std::move(backend));
  {
    const auto change = model->PrepareChange(Times(MakePlan("limited"), 4)).Take();
    EXPECT_EQ(limited.living(), 4);
    EXPECT_TRUE(model.EnqueueOne().is_echoed());
  }
  EXPECT_EQ(limited.living(), 1);
  EXPECT_EQ(Instances(model), 1u);
}

// Names become slots; the engine's checks are its own tests' matter.
base::Status Bind(const core::ModelPlan&, core::InferRequest& request) {
  request.inputs[0].slot = 0;
  request.batch_size = request.inputs[0].shape[0];
  return {};
}

TEST(ModelChange, WarmsUpWhatItAdds) {
  std::atomic<int> executions{0};
  core::ModelPlan plan = MakePlan("scripted");
  core::WarmupInput input;
  input.name = "INPUT0";
  input.data_type = tensor::DataType::kInt32;
  input.dims.Append(1);
  plan.warmup.emplace_back().name = "cold";
  plan.warmup.back().inputs.push_back(std::move(input));
  ModelOptions options{.budget = serving::testing::Unlimited()};
  options.validate = &Bind;
  auto script = [&](backend::Batch& batch) {
    const bool is_wrong = ++executions == 4;
    batch.Complete(is_wrong ? base::Internal("too cold") : backend::CopyInputs("", batch));
  };
  ModelHarness model(plan, std::make_unique<serving::testing::ScriptedBackend>(script), options);
  EXPECT_EQ(executions, 1);
  ASSERT_TRUE(Change(*model, Times(MakePlan("scripted"), 3)).ok());
  EXPECT_EQ(executions, 3);
  EXPECT_EQ(Change(*model, Times(MakePlan("scripted"), 4)).message(),
            "failed to run warmup sample 'cold': too cold; ");
  EXPECT_EQ(Instances(model), 3u);
  EXPECT_EQ(model.Statistics().received, 0u);
}

TEST(ModelChange, RefusesOtherChanges) {
  ModelHarness model(MakePlan("identity"));
  for (core::ModelPlan next : {Batching(MakePlan("identity")), MakePlan("identity")}) {
    if (!next.batching) next.queue.priority_levels = 3;
    EXPECT_EQ(Change(*model, next).message(),
              "model 'm' has to be loaded anew for more than instances and limits");
  }
}

TEST(ModelChange, RefusesNewRequestsOnlyWhenMoreWaitThanMay) {
  ModelHarness model(Gate());
  const Pending running = model.EnqueueOne();
  model.AwaitAtGate(1);
  const auto waiting = model.Enqueue(5);
  core::ModelPlan next = Gate();
  next.queue.max_queue_size = 2;
  next.queue.full_status = base::StatusCode::kResourceExhausted;
  ASSERT_TRUE(Change(*model, next).ok());
  const Pending refused = model.EnqueueOne();
  EXPECT_EQ(refused.Wait().status.code(), base::StatusCode::kResourceExhausted);
  EXPECT_EQ(model.Statistics().queued, 5u);
  next.queue.max_queue_size = 6;
  ASSERT_TRUE(Change(*model, next).ok());
  const Pending accepted = model.EnqueueOne();
  model.Control(R"({"action":"open"})");
  EXPECT_TRUE(running.is_echoed());
  for (const Pending& pending : waiting) EXPECT_TRUE(pending.is_echoed());
  EXPECT_TRUE(accepted.is_echoed());
}

TEST(ModelChange, SendsWhatWaitsForADelayThatIsOver) {
  core::ModelPlan plan = Batching(MakePlan("identity"));
  plan.batching->max_queue_delay = std::chrono::hours(1);
  ModelHarness model(plan);
  const Pending waiting = model.EnqueueOne();
  plan.batching->max_queue_delay = microseconds(0);
  ASSERT_TRUE(Change(*model, plan).ok());
  EXPECT_TRUE(waiting.is_echoed());
}

TEST(ModelChange, WakesAnotherInstanceForWhatOneThatGoesWasToLookAt) {
  core::ModelPlan plan = Batching(Times(MakePlan("identity"), 4));
  plan.batching->max_queue_delay = milliseconds(20);
  for (int i = 0; i < 20; ++i) {
    ModelHarness model(plan, nullptr, false);
    const Pending waiting = model.EnqueueOne();
    ASSERT_TRUE(Change(*model, Times(plan, 1)).ok());
    EXPECT_TRUE(waiting.is_echoed());
  }
}

TEST(ModelChange, TellsHowLongRequestsMayWait) {
  ModelHarness model(MakePlan("identity"));
  const auto timeout = [&](uint64_t asked_us) {
    auto [request, pending] = model.Make(1, asked_us);
    return model->QueueTimeout(*request);
  };
  EXPECT_EQ(timeout(0), std::nullopt);
  core::ModelPlan next = MakePlan("identity");
  next.queue.default_timeout = milliseconds(50);
  ASSERT_TRUE(Change(*model, next).ok());
  EXPECT_EQ(timeout(10'000), milliseconds(50));
  next.queue.allow_timeout_override = true;
  ASSERT_TRUE(Change(*model, next).ok());
  EXPECT_EQ(timeout(10'000), milliseconds(10));
  next.queue.level_policies[0] = {.default_timeout = milliseconds(7)};
  ASSERT_TRUE(Change(*model, next).ok());
  EXPECT_EQ(timeout(10'000), milliseconds(7));
  next.queue.level_policies.clear();
  next.queue.delays_expired = true;
  ASSERT_TRUE(Change(*model, next).ok());
  EXPECT_EQ(timeout(10'000), std::nullopt);
}

TEST(ModelChange, KeepsWhatWasLearntOfItsSpeed) {
  core::ModelPlan plan = Batching(MakePlan("identity"));
  plan.latency_target = core::LatencyTargetPlan{.target = milliseconds(50)};
  ModelHarness model(plan, nullptr, false);
  EXPECT_TRUE(model.EnqueueOne().is_echoed());
  plan.latency_target->target = milliseconds(20);
  ASSERT_TRUE(Change(*model, Times(plan, 2)).ok());
  auto view = *model->ViewLoad();
  EXPECT_EQ(view.target, milliseconds(20));
  EXPECT_EQ(view.instances, 2u);
  ASSERT_EQ(view.costs.size(), 1u);
  EXPECT_EQ(view.costs[0].executions, 1u);
  plan.latency_target.reset();
  plan.batching->max_queue_delay = milliseconds(3);
  ASSERT_TRUE(Change(*model, plan).ok());
  view = *model->ViewLoad();
  EXPECT_EQ(view.wait, milliseconds(3));
  EXPECT_TRUE(view.costs.empty());
}

TEST(ModelChange, KeepsTheOrderOfAnswers) {
  const core::ModelPlan plan = Batching(Gate(), true);
  ModelHarness model(plan);
  // One batch is under way when it begins: its answers come before all others.
  std::vector<Pending> all{model.EnqueueOne()};
  model.AwaitAtGate(1);
  std::mutex mutex;
  std::vector<size_t> order;
  RequestChain chain;
  for (size_t i = 1; i <= 24; ++i) {
    auto [request, pending] = model.Make(4);
    pending.sink->when_final = [&mutex, &order, i] {
      std::lock_guard lock(mutex);
      order.push_back(i);
    };
    chain.Append(std::move(request));
    all.push_back(std::move(pending));
  }
  model->Submit(std::move(chain), nullptr);
  auto change = std::async(std::launch::async, [&] { return Change(*model, Times(plan, 3)); });
  model.Control(R"({"action":"open"})");
  EXPECT_TRUE(change.get().ok());
  ASSERT_TRUE(Change(*model, Times(plan, 8)).ok());
  ASSERT_TRUE(Change(*model, Times(plan, 2)).ok());
  for (const Pending& pending : all) EXPECT_TRUE(pending.is_echoed());
  std::lock_guard lock(mutex);
  EXPECT_TRUE(std::ranges::is_sorted(order));
}

TEST(ModelChange, GivesBackTheResourcesOfAnInstanceThatGoes) {
  const auto limiter =
      std::make_shared<RateLimiter>(std::vector<scheduler::ResourceLimit>{{"r", 2, std::nullopt}});
  const core::InstanceLimit one{.resources = {{"r", false, 1}}};
  const auto plan = [&](int instances) {
    core::ModelPlan made = Times(Gate(), instances);
    made.instance_limits.assign(static_cast<size_t>(instances), one);
    return made;
  };
  ModelOptions options{.budget = serving::testing::Unlimited()};
  options.rate_limiter = limiter;
  ModelHarness model(plan(1), nullptr, options);
  ModelHarness other(plan(2), nullptr, options);
  const auto running = other.Enqueue(2);
  other.AwaitAtGate(2);
  const Pending waiting = model.EnqueueOne();
  // What is added waits for resources too, and goes as it came.
  ASSERT_TRUE(Change(*model, plan(3)).ok());
  ASSERT_TRUE(Change(*model, plan(1)).ok());
  auto change = std::async(std::launch::async, [&] { return Change(*other, plan(1)); });
  other.Control(R"({"action":"open"})");
  EXPECT_TRUE(change.get().ok());
  for (const Pending& pending : running) EXPECT_TRUE(pending.is_echoed());
  model.Control(R"({"action":"open"})");
  EXPECT_TRUE(waiting.is_echoed());
}

TEST(ModelChange, ServesAgainWhenInstancesTakeThePlaceOfLostOnes) {
  ModelHarness model(MakePlan("poison"), nullptr, true, {}, {.most_attempts = 0});
  model.Control(R"({"action":"poison"})");
  EXPECT_FALSE(model.EnqueueOne().Wait().status.ok());
  while (model.Statistics().instances[0].condition != metrics::InstanceCondition::kLost) {
    std::this_thread::yield();
  }
  EXPECT_FALSE(model->CanServe());
  ASSERT_TRUE(Change(*model, Times(MakePlan("poison"), 2)).ok());
  EXPECT_TRUE(model->CanServe());
  EXPECT_TRUE(model.EnqueueOne().is_echoed());
  ASSERT_TRUE(Change(*model, MakePlan("poison")).ok());
  EXPECT_FALSE(model->CanServe());
}

TEST(ModelChange, RemovesAnInstanceThatWaitsToBeRebuilt) {
  ModelHarness model(Times(MakePlan("poison"), 2), nullptr, true, {},
                     {.first_wait = std::chrono::hours(1), .longest_wait = std::chrono::hours(1)});
  model.Control(R"({"action":"break_rebuilds","count":2})");
  model.Control(R"({"action":"poison","count":2})");
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(model.EnqueueOne().Wait().status.ok());
  while (model->CanServe()) std::this_thread::yield();
  ASSERT_TRUE(Change(*model, MakePlan("poison")).ok());
  EXPECT_EQ(Instances(model), 1u);
}

TEST(ModelChange, EndsWithTheModel) {
  for (int i = 0; i < 20; ++i) {
    ModelHarness model(Batching(MakePlan("identity"), true));
    std::atomic<bool> is_over{false};
    std::thread changer([&] {
      for (int count = 1; !is_over; count = count % 4 + 1) {
        EXPECT_TRUE(Change(*model, Times(Batching(MakePlan("identity"), true), count)).ok());
      }
    });
    const auto pending = model.Enqueue(10);
    model->Stop();
    is_over = true;
    changer.join();
    for (const Pending& one : pending) EXPECT_TRUE(one.is_echoed());
  }
}

}  // namespace
}  // namespace serving::model
