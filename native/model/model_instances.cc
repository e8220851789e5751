// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// Model: how its instances come and go, and how their number and the limits change while it serves.

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>

#include "model/model.h"

namespace serving::model {
namespace {

// Batches of an instance, on average, that may have been taken and not answered, where answers wait
// for those of earlier batches.
constexpr size_t kUnansweredBatches = 8;

// The part of a plan that may change while its version serves.
std::unique_ptr<const core::ModelPlan> LivePart(core::ModelPlan plan) {
  auto part = std::make_unique<core::ModelPlan>();
  part->name = std::move(plan.name);
  part->version = plan.version;
  part->max_batch_size = plan.max_batch_size;
  part->batching = std::move(plan.batching);
  part->latency_target = plan.latency_target;
  part->queue = std::move(plan.queue);
  part->instance_count = plan.instance_count;
  part->instance_limits = std::move(plan.instance_limits);
  return part;
}

bool HaveSameNeeds(const core::InstanceLimit& a, const core::InstanceLimit& b) {
  return a.priority == b.priority &&
         std::ranges::equal(a.resources, b.resources,
                            [](const core::ResourceNeed& x, const core::ResourceNeed& y) {
                              return x.name == y.name && x.is_global == y.is_global &&
                                     x.count == y.count;
                            });
}

// What a change may not touch, as far as the model would not notice by itself.
base::Status CheckChange(const core::ModelPlan& from, const core::ModelPlan& to) {
  const size_t kept = std::min(from.instance_limits.size(), to.instance_limits.size());
  const bool has_same_limits =
      from.instance_limits.empty() == to.instance_limits.empty() &&
      std::equal(from.instance_limits.begin(),
                 from.instance_limits.begin() + static_cast<ptrdiff_t>(kept),
                 to.instance_limits.begin(), HaveSameNeeds);
  const bool has_same_batching =
      from.batching.has_value() == to.batching.has_value() &&
      (!to.batching || from.batching->preserve_ordering == to.batching->preserve_ordering);
  if (from.name == to.name && from.version == to.version &&
      from.max_batch_size == to.max_batch_size && has_same_batching && has_same_limits &&
      from.queue.priority_levels == to.queue.priority_levels &&
      from.queue.classes.has_value() == to.queue.classes.has_value()) {
    return {};
  }
  return base::InvalidArgument("model '" + from.name +
                               "' has to be loaded anew for more than instances and limits");
}

}  // namespace

size_t Model::LeaseLimit(size_t instances) const {
  // The backend of a decoupled model answers by itself, so its batches must not overlap.
  return KeepsOrder() && plan_.decoupled ? 1 : instances;
}

std::unique_ptr<Model::Order> Model::MakeOrder(size_t instances) {
  return std::make_unique<Order>(kUnansweredBatches * instances);
}

base::Status Model::AddInstances(const core::ModelPlan& plan, size_t first, Leases& leases) {
  for (size_t i = first; i < static_cast<size_t>(plan.instance_count); ++i) {
    auto lease = std::make_unique<Lease>(*this, i);
    ASSIGN_OR_RETURN(lease->instance,
                     backend_model_->CreateInstance(first_instance_ + static_cast<int>(i)));
    lease->execution =
        std::make_unique<Execution>(plan_, static_cast<int>(i), backend_.input_alignment(),
                                    options_.budget, lease.get(), backend_.only_copies_values());
    lease->execution->SetTaker(options_.taker);
    if (!plan.instance_limits.empty() && options_.rate_limiter) {
      const core::InstanceLimit& limit = plan.instance_limits[i];
      if (!limit.resources.empty()) {
        ASSIGN_OR_RETURN(lease->ticket,
                         options_.rate_limiter->Register(limit.resources, limit.priority));
      }
    }
    leases.push_back(std::move(lease));
  }
  for (const auto& lease : leases) {
    if (!warmup_) break;
    RETURN_IF_ERROR(warmup_->Warm(*lease->instance, static_cast<int>(lease->index), [this] {
      std::lock_guard lock(mutex_);
      return is_stopping_;
    }));
  }
  return {};
}

base::Status Model::StartThreads(const Leases& leases) {
  try {
    for (const auto& lease : leases) {
      lease->thread =
          base::Thread("model-" + plan_.name, [this, &lease = *lease] { InstanceLoop(lease); });
    }
  } catch (const std::system_error& error) {
    return base::Unavailable("no thread left for the " + std::to_string(leases.size()) +
                             " instances of model '" + plan_.name + "': " + error.what());
  }
  return {};
}

// Instances and limits that wait to take the place of those that a model has. The new instances'
// threads run, but their leases are held.
class Model::InstanceChange final : public Change {
 public:
  explicit InstanceChange(base::Ref<Model> model)
      : model_(std::move(model)), turn_(model_->change_mutex_) {}
  ~InstanceChange() override { model_->Dismiss(std::move(added_)); }

  base::Status Prepare(core::ModelPlan plan) {
    RETURN_IF_ERROR(CheckChange(*model_->live_, plan));
    RETURN_IF_ERROR(model_->AddInstances(plan, model_->leases_.size(), added_));
    for (const auto& lease : added_) lease->is_held = true;
    next_ = LivePart(std::move(plan));
    return model_->StartThreads(added_);
  }

  void Apply() override { model_->Adopt(std::move(next_), std::exchange(added_, {})); }

 private:
  const base::Ref<Model> model_;
  const std::unique_lock<std::mutex> turn_;
  std::unique_ptr<const core::ModelPlan> next_;
  Leases added_;
};

base::Result<std::unique_ptr<Change>> Model::PrepareChange(core::ModelPlan next) {
  auto change = std::make_unique<InstanceChange>(base::Ref<Model>::Share(this));
  RETURN_IF_ERROR(change->Prepare(std::move(next)));
  return std::unique_ptr<Change>(std::move(change));
}

void Model::Adopt(std::unique_ptr<const core::ModelPlan> next, Leases added) {
  const auto count = static_cast<size_t>(next->instance_count);
  Leases leaving;
  {
    std::unique_lock lock(mutex_);
    if (KeepsOrder()) WidenOrder(lock, LeaseLimit(count));
    AdoptLimitsLocked(std::move(next));
    for (auto& lease : added) {
      lease->is_held = false;
      leases_.push_back(std::move(lease));
    }
    while (leases_.size() > count) {
      leaving.push_back(std::move(leases_.back()));
      leases_.pop_back();
    }
    // Those that leave hold their leases until their batches have ended.
    lease_limit_ = std::max(lease_limit_, LeaseLimit(count));
    UpdateHealthLocked();
    // Who has left may have been the one to look at the queue, or to wait for the end of a delay.
    WakeAllLocked();
  }
  TellHealth();
  Retire(std::move(leaving));
  std::lock_guard lock(mutex_);
  lease_limit_ = LeaseLimit(leases_.size());
}

void Model::AdoptLimitsLocked(std::unique_ptr<const core::ModelPlan> next) {
  queue_.SetPlan(next->queue);
  timeout_.Set(next->queue);
  counts_bytes_ = CountsBytes(next->queue);
  load_control_ =
      LoadControl::Make(*next, batch_rows_, LeaseLimit(static_cast<size_t>(next->instance_count)),
                        load_control_.get());
  const core::ModelPlan* tuned = load_control_ ? load_control_->batch_plan() : nullptr;
  batch_plan_ = tuned != nullptr ? tuned : next.get();
  live_ = next.get();
  changed_ = std::move(next);
}

void Model::WidenOrder(std::unique_lock<std::mutex>& lock, size_t instances) {
  if (order_) return order_->Widen(kUnansweredBatches * instances);
  if (instances <= 1) return;
  // Batches under way have no number. There is one at most, and nothing could run beside it.
  const size_t limit = std::exchange(lease_limit_, 0);
  is_awaited_ = true;
  idle_.wait(lock, [this] { return held_ == 0; });
  is_awaited_ = is_stopping_;
  lease_limit_ = limit;
  order_ = MakeOrder(instances);
}

void Model::Dismiss(Leases added) {
  {
    std::lock_guard lock(mutex_);
    for (const auto& lease : added) {
      lease->is_leaving = true;
      lease->is_held = false;
    }
  }
  Retire(std::move(added));
}

void Model::Retire(Leases leases) {
  if (leases.empty()) return;
  {
    std::lock_guard lock(mutex_);
    for (const auto& lease : leases) {
      lease->is_leaving = true;
      lease->work.notify_one();
    }
  }
  for (const auto& lease : leases) {
    if (lease->ticket) lease->ticket->Cancel();
  }
  for (const auto& lease : leases) lease->thread.Join();
  {
    std::unique_lock lock(mutex_);
    is_awaited_ = true;
    idle_.wait(lock, [&] {
      return std::ranges::all_of(leases, [](const auto& lease) {
        return lease->inside == 0 && (!lease->is_held || lease->awaits_rebuild);
      });
    });
    is_awaited_ = is_stopping_;
  }
  for (const auto& lease : leases) {
    if (lease->has_resources) lease->ticket->Release();
  }
}

void Model::WakeAllLocked() {
  for (const auto& lease : leases_) lease->work.notify_one();
}

void Model::TellAwaitingLocked() {
  idle_.notify_all();
  if (is_stopping_) WakeAllLocked();
}

}  // namespace serving::model
