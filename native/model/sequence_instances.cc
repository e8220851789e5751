// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// SequenceModel: its instances together, how they come and go, and how their number and the limits
// change while it serves.

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>

#include "model/sequence_model.h"

namespace serving::model {
namespace {

using base::Instant;
using std::chrono::steady_clock;

// The part of a plan that may change while its version serves.
std::unique_ptr<const core::ModelPlan> LivePart(core::ModelPlan plan) {
  auto part = std::make_unique<core::ModelPlan>();
  part->name = std::move(plan.name);
  part->version = plan.version;
  part->queue = std::move(plan.queue);
  part->sequence = std::move(plan.sequence);
  part->sequence->controls.clear();
  part->sequence->states.clear();
  return part;
}

// What a change may not touch, as far as the model would not notice by itself.
base::Status CheckChange(const core::ModelPlan& from, const core::ModelPlan& to) {
  if (from.name == to.name && from.version == to.version &&
      from.max_batch_size == to.max_batch_size && to.sequence &&
      from.sequence->is_direct == to.sequence->is_direct &&
      from.sequence->slots == to.sequence->slots &&
      from.sequence->is_iterative == to.sequence->is_iterative &&
      from.sequence->controls.size() == to.sequence->controls.size() &&
      from.sequence->states.size() == to.sequence->states.size() &&
      from.batching.has_value() == to.batching.has_value() && to.instance_count > 0) {
    return {};
  }
  return base::InvalidArgument("model '" + from.name +
                               "' has to be loaded anew for more than instances and limits");
}

}  // namespace

std::shared_ptr<const SequenceModel::Models> SequenceModel::ListModels() const {
  std::lock_guard lock(mutex_);
  return models_;
}

void SequenceModel::ListModelsLocked() {
  auto models = std::make_shared<Models>();
  leaving_ = 0;
  for (const Instance& instance : instances_) {
    if (instance.model && models->size() >= sequences_.instances()) ++leaving_;
    models->push_back(instance.model);
  }
  models_ = std::move(models);
}

bool SequenceModel::CanServe() const {
  std::shared_ptr<const Models> models;
  size_t count = 0;
  {
    std::lock_guard lock(mutex_);
    models = models_;
    count = sequences_.instances();
  }
  const auto end = models->begin() + static_cast<ptrdiff_t>(std::min(count, models->size()));
  return std::any_of(models->begin(), end,
                     [](const base::Ref<Model>& model) { return model->CanServe(); });
}

void SequenceModel::Trim() {
  const std::shared_ptr<const Models> models = ListModels();
  for (const base::Ref<Model>& model : *models) {
    if (model) model->Trim();
  }
}

metrics::ModelStatistics SequenceModel::Statistics() const {
  metrics::ModelStatistics statistics;
  std::shared_ptr<const Models> models;
  size_t count = 0;
  {
    std::lock_guard lock(mutex_);
    const Instant now = steady_clock::now();
    statistics = counters_.Snapshot(now);
    SequenceCounters::AddBatches(gone_, statistics);
    statistics.poisonings += gone_.poisonings;
    statistics.rebuilds += gone_.rebuilds;
    models = models_;
    count = sequences_.instances();
    statistics.queued = sequences_.waiting();
    statistics.queue_state.rows = static_cast<int64_t>(sequences_.waiting());
    statistics.queue_state.bytes = sequences_.waiting_bytes();
    const core::InferRequest* first = sequences_.FirstWaiting(sequences_.FirstOfBacklog());
    if (first != nullptr) statistics.queue_state.oldest_wait = now - first->times.queued;
  }
  for (size_t i = 0; i < models->size(); ++i) {
    if (!(*models)[i]) continue;
    const metrics::ModelStatistics inner = (*models)[i]->Statistics();
    if (!is_direct()) statistics.queued += inner.queued;
    SequenceCounters::AddBatches(inner, statistics);
    statistics.poisonings += inner.poisonings;
    statistics.rebuilds += inner.rebuilds;
    statistics.tensor_bytes += inner.tensor_bytes;
    statistics.idle_bytes += inner.idle_bytes;
    if (i >= count) continue;  // it leaves
    statistics.instances.insert(statistics.instances.end(), inner.instances.begin(),
                                inner.instances.end());
  }
  if (responses_) {
    statistics.responses = responses_->Statistics();
    statistics.first_response_ms = responses_->FirstResponse();
  }
  return statistics;
}

core::ModelPlan SequenceModel::InnerPlan(const core::ModelPlan& live) const {
  core::ModelPlan inner = inner_;
  if (is_direct() || !live.batching) return inner;
  inner.batching = live.batching;
  inner.batching->preserve_ordering = false;  // one instance answers in order
  return inner;
}

base::Result<base::Ref<Model>> SequenceModel::LoadInstance(uint32_t index,
                                                           const core::ModelPlan& live) {
  ModelOptions options = options_;
  options.metrics = {};
  options.counts_bytes = CountsBytes(live);
  if (plan_.sequence->is_iterative) options.taker = this;
  options.health_changed = [this, index] {
    OnHealth(index);
    if (options_.health_changed) options_.health_changed();
  };
  core::ModelPlan plan = InnerPlan(live);
  plan.warmup = warmup_;
  return Model::LoadInstance(std::move(plan), backend_, backend_model_, static_cast<int>(index),
                             options);
}

// Instances and limits that wait to take the place of those that a model has.
class SequenceModel::InstanceChange final : public Change {
 public:
  explicit InstanceChange(base::Ref<SequenceModel> model)
      : model_(std::move(model)), turn_(model_->change_mutex_) {}
  ~InstanceChange() override {
    model_->LetGo();
    DropBatching();
  }

  base::Status Prepare(core::ModelPlan plan) {
    RETURN_IF_ERROR(CheckChange(model_->plan_, plan));
    RETURN_IF_ERROR(model_->StartDrain());
    const auto count = static_cast<uint32_t>(plan.instance_count);
    added_.resize(count);
    for (const uint32_t index : model_->KeepInstances(count)) {
      ASSIGN_OR_RETURN(added_[index], model_->LoadInstance(index, plan));
    }
    // Those that leave too: they have sequences to go on with.
    const std::shared_ptr<const Models> models = model_->ListModels();
    for (const base::Ref<Model>& model : *models) {
      if (!model || model_->is_direct()) continue;
      ASSIGN_OR_RETURN(auto change, model->PrepareChange(model_->InnerPlan(plan)));
      batching_.push_back(std::move(change));
    }
    count_ = count;
    next_ = LivePart(std::move(plan));
    return {};
  }

  void Apply() override {
    for (const auto& change : batching_) change->Apply();
    DropBatching();
    model_->Adopt(std::move(next_), count_, std::exchange(added_, {}));
  }

 private:
  // The last one first: who is destroyed with it takes its lock once more, behind those before.
  void DropBatching() {
    while (!batching_.empty()) batching_.pop_back();
  }

  const base::Ref<SequenceModel> model_;
  const std::unique_lock<std::mutex> turn_;
  uint32_t count_ = 0;
  std::unique_ptr<const core::ModelPlan> next_;
  std::vector<std::unique_ptr<Change>> batching_;  // of the instances
  Models added_;
};

base::Result<std::unique_ptr<Change>> SequenceModel::PrepareChange(core::ModelPlan next) {
  auto change = std::make_unique<InstanceChange>(base::Ref<SequenceModel>::Share(this));
  RETURN_IF_ERROR(change->Prepare(std::move(next)));
  return std::unique_ptr<Change>(std::move(change));
}

std::vector<uint32_t> SequenceModel::KeepInstances(uint32_t count) {
  std::vector<uint32_t> missing;
  std::unique_lock lock(mutex_);
  for (uint32_t i = 0; i < count; ++i) {
    if (i < instances_.size()) {
      // The number is free when its instance is gone. One that does not work and has nothing left
      // is not kept: what comes is not to wait for its rebuild.
      drained_.wait(lock, [&] {
        return !instances_[i].is_ending && (instances_[i].is_serving || !IsDrainedLocked(i));
      });
      instances_[i].is_kept = instances_[i].model.get() != nullptr;
    }
    if (i >= instances_.size() || !instances_[i].is_kept) missing.push_back(i);
  }
  return missing;
}

void SequenceModel::LetGo() {
  std::lock_guard lock(mutex_);
  for (Instance& instance : instances_) instance.is_kept = false;
  TellDrainLocked();
}

base::Status SequenceModel::StartDrain() {
  if (has_drain_) return {};
  try {
    drain_ = base::Thread("seq-" + plan_.name, [this] { Drain(); });
  } catch (const std::system_error& error) {
    return base::Unavailable("no thread left for the instances of model '" + plan_.name +
                             "' that are to go: " + error.what());
  }
  has_drain_ = true;
  return {};
}

void SequenceModel::Adopt(std::unique_ptr<const core::ModelPlan> next, uint32_t count,
                          Models added) {
  const Instant now = steady_clock::now();
  const bool counts_bytes = CountsBytes(*next);
  if (counts_bytes) {
    const std::shared_ptr<const Models> models = ListModels();
    for (const base::Ref<Model>& model : *models) {
      if (model) model->CountBytes();
    }
  }
  Launch launch;
  {
    std::lock_guard lock(mutex_);
    if (is_stopping_) return;
    if (instances_.size() < count) instances_.resize(count);
    limits_bytes_.store(next->queue.max_queue_bytes != 0, std::memory_order_relaxed);
    sequences_.SetMaxIdle(next->sequence->max_idle);
    sequences_.SetCountsBytes(counts_bytes);
    sequences_.SetInstances(count);
    for (uint32_t i = 0; i < added.size(); ++i) {
      if (!added[i]) continue;
      instances_[i] = Instance();
      instances_[i].model = std::move(added[i]);
      sequences_.Unpark(i);  // the one before may have been poisoned
    }
    live_ = next.get();
    changed_ = std::move(next);
    ListModelsLocked();
    CheckLostLocked(now, launch);
    CollectLocked(now, launch);
    SettleLocked();
  }
  Start(launch, nullptr);
  if (options_.health_changed) options_.health_changed();
}

bool SequenceModel::IsDrainedLocked(uint32_t index) const {
  const Instance& instance = instances_[index];
  return index >= sequences_.instances() && instance.model && !instance.is_kept &&
         !instance.is_ending && instance.running_rows == 0 && sequences_.ActiveAt(index) == 0;
}

void SequenceModel::TellDrainLocked() {
  for (uint32_t i = sequences_.instances(); i < instances_.size(); ++i) {
    if (IsDrainedLocked(i)) return drained_.notify_all();
  }
}

void SequenceModel::Drain() {
  std::unique_lock lock(mutex_);
  while (!is_stopped_) {
    uint32_t index = sequences_.instances();
    while (index < instances_.size() && !IsDrainedLocked(index)) ++index;
    if (index >= instances_.size()) {
      drained_.wait(lock);
      continue;
    }
    instances_[index].is_ending = true;
    base::Ref<Model> model = instances_[index].model;
    lock.unlock();
    model->Stop();
    const metrics::ModelStatistics statistics = model->Statistics();
    Launch launch;
    lock.lock();
    SequenceCounters::AddBatches(statistics, gone_);
    gone_.poisonings += statistics.poisonings;
    gone_.rebuilds += statistics.rebuilds;
    instances_[index] = Instance();
    instances_[index].is_ending = true;
    ListModelsLocked();
    CheckLostLocked(steady_clock::now(), launch);
    SettleLocked();
    lock.unlock();
    Start(launch, nullptr);
    model.Reset();
    if (options_.health_changed) options_.health_changed();
    lock.lock();
    instances_[index].is_ending = false;
    drained_.notify_all();
  }
}

}  // namespace serving::model
