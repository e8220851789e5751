// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// Clients that load, reload, unload, infer and cancel at random, all at once, on one engine. What
// the sanitizers see of it is the point; the counts at the end say that nothing was lost.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <random>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "backend/identity/identity.h"
#include "backend/testing/testing.h"
#include "engine/engine.h"
#include "engine/validate.h"
#include "testing/requests.h"
#include "testing/sequence_harness.h"

namespace serving::engine {
namespace {

using testing::Pack;
using testing::RecordedResponse;
using testing::RecordingSink;
using testing::RequestBuilder;

constexpr int kClients = 32;
constexpr int kOperations = 10'000;
constexpr size_t kModels = 6;
constexpr size_t kEnsemble = kModels;  // behind the models; its steps are the first two
constexpr size_t kSequence = kModels + 1;
constexpr size_t kNames = kModels + 2;
constexpr int32_t kPoison = -2;  // what makes the backend `sequence` poison its instance
constexpr const char* kUnserved = " is not served";

std::string NameOf(size_t model) {
  if (model == kSequence) return "sequence";
  return model == kEnsemble ? "graph" : "m" + std::to_string(model);
}

core::ModelPlan PlanOf(size_t model, uint32_t dice) {
  if (model == kEnsemble) {
    core::ModelPlan plan = testing::MakePlan("");
    plan.name = NameOf(model);
    core::EnsemblePlan graph;
    graph.tensors = {"INPUT0", "between", "OUTPUT0"};
    graph.inputs = {0};
    graph.outputs = {2};
    graph.steps.push_back({NameOf(0), {{"INPUT0", 0}}, {{"OUTPUT0", 1}}});
    graph.steps.push_back({NameOf(1), {{"INPUT0", 1}}, {{"OUTPUT0", 2}}});
    plan.ensemble = std::move(graph);
    return plan;
  }
  if (model == kSequence) {
    core::ModelPlan plan = testing::SequencePlan(dice % 2 == 0, 4);
    plan.name = NameOf(model);
    plan.instance_count = 1 + static_cast<int32_t>(dice / 2 % 3);
    // Of clients that leave in the middle.
    plan.sequence->max_idle = std::chrono::milliseconds(5 + dice / 8 % 3);
    plan.queue.max_queue_bytes = dice / 32 % 2 == 0 ? 0 : 1 << 20;
    return plan;
  }
  core::ModelPlan plan = testing::MakePlan(model % 3 == 2 ? "sleep" : "identity");
  plan.name = NameOf(model);
  if (plan.backend == "sleep") plan.parameters["sleep_us"] = "50";
  plan.instance_count = 1 + static_cast<int32_t>(dice % 3);
  if (model % 2 == 0) {
    plan.batching.emplace();
    plan.batching->max_queue_delay = std::chrono::microseconds(dice % 200);
    plan.batching->preserve_ordering = model % 4 == 0;
  }
  return plan;
}

// What TypeScript does around an engine: one load, unload or adjustment of a name at a time, a
// table after each but the last.
//
// Threads: any.
class Host {
 public:
  Host() : engine_({.memory_limit_bytes = 64 << 20, .allow_inline = true}) {
    engine_.Register(backend::MakeIdentityBackend());
    for (auto& backend : backend::MakeTestBackends()) engine_.Register(std::move(backend));
  }
  ~Host() { engine_.Stop(); }

  void Load(size_t model, uint32_t dice) {
    std::lock_guard one_at_a_time(names_[model]);
    auto loaded = engine_.Load(PlanOf(model, dice));
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    Replace(model, loaded.Take());
  }

  void Unload(size_t model) {
    std::lock_guard one_at_a_time(names_[model]);
    Replace(model, 0);
  }

  // Other instances and limits for what serves. Ensembles have none of their own.
  void Adjust(size_t model, uint32_t dice) {
    std::lock_guard one_at_a_time(names_[model]);
    const ModelHandle handle = HandleOf(model);
    if (handle == 0 || model == kEnsemble) return;
    if (model == kSequence) {
      const bool is_direct = engine_.Find(handle)->plan().sequence->is_direct;
      dice = dice / 2 * 2 + (is_direct ? 0 : 1);
    }
    const base::Status status = engine_.Adjust({{handle, PlanOf(model, dice)}});
    EXPECT_TRUE(status.ok()) << status.message();
  }

  // As an I/O thread: what it resolves is submitted before it takes the next table.
  base::Status Submit(size_t model, RequestBuilder& builder, base::Ref<model::Servable>* used) {
    std::shared_lock turn(turns_);
    const DispatchTableRef table = engine_.table();
    auto resolved = table->Resolve(NameOf(model), "");
    if (!resolved.ok()) return resolved.status();
    const base::Status valid = Validate(resolved.value()->plan(), builder.request());
    if (!valid.ok()) return valid;
    *used = base::Ref<model::Servable>::Share(resolved.value());
    model::RequestChain chain;
    chain.Append(builder.Take());
    (*used)->Submit(std::move(chain), nullptr);
    return {};
  }

  Engine& engine() { return engine_; }

 private:
  ModelHandle HandleOf(size_t model) {
    std::lock_guard lock(publishing_);
    return handles_[model];
  }

  void Replace(size_t model, ModelHandle handle) {
    const ModelHandle old = Publish(model, handle);
    if (old == 0) return;
    const base::Status status = engine_.Unload(old);
    EXPECT_TRUE(status.ok()) << status.message();
  }

  ModelHandle Publish(size_t model, ModelHandle handle) {
    std::lock_guard lock(publishing_);
    const ModelHandle old = std::exchange(handles_[model], handle);
    const bool has_graph = handles_[kEnsemble] != 0 && handles_[0] != 0 && handles_[1] != 0;
    auto table = base::MakeRef<DispatchTable>();
    if (has_graph) {
      auto bound = engine_.Bind({{handles_[kEnsemble], {handles_[0], handles_[1]}}});
      EXPECT_TRUE(bound.ok()) << bound.status().message();
      table->ensembles = bound.Take();
    }
    for (size_t i = 0; i < kNames; ++i) {
      const bool serves = handles_[i] != 0 && (i != kEnsemble || has_graph);
      std::vector<DispatchVersion> versions;
      if (serves) versions.push_back({1, engine_.Find(handles_[i]), true});
      table->Add(NameOf(i), {std::move(versions), base::NotFound(NameOf(i) + kUnserved)});
    }
    engine_.SetTable(std::move(table));
    {
      std::unique_lock every_reader_has_it(turns_);
    }
    engine_.Settle();
    return old;
  }

  Engine engine_;
  std::array<std::mutex, kNames> names_;  // taken before the others
  std::mutex publishing_;
  std::array<ModelHandle, kNames> handles_{};  // 0 = not loaded; guarded by publishing_
  std::shared_mutex turns_;
};

struct Counts {
  std::atomic<int> answered{0};
  std::atomic<int> cancelled{0};
  std::atomic<int> unserved{0};
  std::atomic<int> changes{0};
  std::atomic<int> ended{0};  // steps whose sequence went with its instance or version
};

void RunSequence(Host& host, uint32_t dice, bool leaves, Counts& counts);

void Infer(Host& host, size_t model, uint32_t dice, bool leaves, Counts& counts) {
  if (model == kSequence) return RunSequence(host, dice, leaves, counts);
  const int64_t rows = 1 + dice % 4;
  const std::vector<int32_t> values(static_cast<size_t>(rows) * 3, static_cast<int32_t>(dice));
  std::string bytes;
  for (const int32_t value : values) bytes += Pack<int32_t>({value});
  RequestBuilder builder;
  builder.Input(0, tensor::DataType::kInt32, {rows, 3}, bytes);
  builder.request().inputs.back().name = "INPUT0";
  const auto sink = builder.sink();
  base::Ref<model::Servable> used;
  const base::Status status = host.Submit(model, builder, &used);
  if (!status.ok()) {
    EXPECT_EQ(status.message(), NameOf(model) + kUnserved);
    ++counts.unserved;
    return;
  }
  if (leaves) {
    sink->Cancel();
    used->RemoveQueued(sink.get(), base::Cancelled("left"), metrics::FailureReason::kCanceled);
  }
  const auto& answer = sink->Wait();
  if (answer.status.ok()) {
    ASSERT_EQ(answer.outputs.size(), 1u);
    EXPECT_EQ(answer.outputs[0].bytes, bytes);
    ++counts.answered;
  } else {
    // What serves when a request comes serves it, whatever is loaded or unloaded meanwhile.
    EXPECT_TRUE(leaves) << answer.status.message();
    EXPECT_EQ(answer.status.code(), base::StatusCode::kCancelled);
    ++counts.cancelled;
  }
}

bool HasEnded(const base::Status& status) {
  const std::string& text = status.message();
  return text.find("must specify the START flag") != std::string::npos ||
         text.find("the sequence has ended: the instance") != std::string::npos ||
         text.find("told to poison") != std::string::npos;
}

// A sequence of three steps, sent without waiting; a reload may come between any two.
void RunSequence(Host& host, uint32_t dice, bool leaves, Counts& counts) {
  static std::atomic<uint64_t> next_id{1};
  const uint64_t id = next_id++;
  constexpr int kSteps = 3;
  const bool poisons = dice % 97 == 0;
  std::vector<base::Ref<RecordingSink>> sinks;
  for (int step = 0; step < kSteps; ++step) {
    RequestBuilder builder;
    const int32_t number = poisons && step == 1 ? kPoison : step + 1;
    builder.Input(0, tensor::DataType::kInt32, {1, 1}, Pack<int32_t>({number}));
    builder.request().inputs.back().name = "IN";
    builder.request().correlation_id = id;
    builder.request().sequence_start = step == 0;
    builder.request().sequence_end = step == kSteps - 1;
    const auto sink = builder.sink();
    base::Ref<model::Servable> used;
    const base::Status status = host.Submit(kSequence, builder, &used);
    if (!status.ok()) {
      EXPECT_EQ(status.message(), NameOf(kSequence) + kUnserved);
      ++counts.unserved;
      break;
    }
    sinks.push_back(sink);
    if (!leaves || step != 1) continue;
    sink->Cancel();
    used->RemoveQueued(sink.get(), base::Cancelled("left"), metrics::FailureReason::kCanceled);
  }
  bool all_ran = true;
  int32_t sum = 0;
  for (size_t step = 0; step < sinks.size(); ++step) {
    const RecordedResponse& answer = sinks[step]->Wait();
    sum += static_cast<int32_t>(step) + 1;
    if (answer.status.ok()) {
      EXPECT_TRUE(all_ran);
      EXPECT_EQ(answer.outputs.at(0).bytes, Pack<int32_t>({sum}));
      ++counts.answered;
      continue;
    }
    all_ran = false;
    if (HasEnded(answer.status)) {
      ++counts.ended;
    } else {
      EXPECT_TRUE(leaves) << answer.status.message();
      EXPECT_EQ(answer.status.code(), base::StatusCode::kCancelled);
      ++counts.cancelled;
    }
  }
}

void RunClient(Host& host, uint32_t seed, int operations, Counts& counts) {
  std::mt19937 random(seed);
  for (int i = 0; i < operations; ++i) {
    const uint32_t dice = random();
    const size_t model = dice % kNames;
    switch (random() % 16) {
      case 0:
        host.Load(model, dice);
        ++counts.changes;
        break;
      case 1:
        host.Unload(model);
        ++counts.changes;
        break;
      case 2:
        for (const auto& sample : host.engine().Snapshot()) {
          EXPECT_LE(sample.statistics.pending, sample.statistics.received);
        }
        break;
      case 3:
        Infer(host, model, dice, true, counts);
        break;
      case 4:
        host.Adjust(model, dice);
        ++counts.changes;
        break;
      default:
        Infer(host, model, dice, false, counts);
    }
  }
}

// NEREID_CHURN_OPERATIONS: more, or from another seed, by hand.
int Setting(const char* name, int fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::atoi(text);
}

TEST(Churn, LosesNothingOfRandomOperations) {
  Host host;
  Counts counts;
  for (size_t model = 0; model < kNames; ++model) host.Load(model, 0);
  const int operations = Setting("NEREID_CHURN_OPERATIONS", kOperations) / kClients;
  const auto seed = static_cast<uint32_t>(Setting("NEREID_CHURN_SEED", 20));
  std::vector<std::thread> clients;
  for (uint32_t client = 0; client < kClients; ++client) {
    clients.emplace_back(
        [&, client] { RunClient(host, seed * kClients + client, operations, counts); });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_GT(counts.answered, operations);
  EXPECT_GT(counts.unserved, 0);
  EXPECT_GT(counts.changes, operations);
  EXPECT_GT(counts.ended, 0);

  for (size_t model = 0; model < kNames; ++model) host.Load(model, 0);
  Counts after;
  for (size_t model = 0; model < kNames; ++model) Infer(host, model, 7, false, after);
  EXPECT_EQ(after.answered, static_cast<int>(kModels) + 1 + 3);  // a sequence has three steps
  for (size_t model = 0; model < kNames; ++model) host.Unload(model);
  EXPECT_TRUE(host.engine().Snapshot().empty());
  EXPECT_EQ(host.engine().budget()->used(), 0u);
}

}  // namespace
}  // namespace serving::engine
