// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// Model: instances that their backend gave up on.

#include <algorithm>
#include <string>
#include <utility>

#include "base/log.h"
#include "model/model.h"

namespace serving::model {

using std::chrono::steady_clock;

void Model::PoisonLocked(Lease& lease) {
  ++statistics_.poisonings;
  lease.recovery.Poison(lease.execution->TakePoison(), steady_clock::now());
  UpdateHealthLocked();
}

void Model::UpdateHealthLocked() {
  const auto serving = std::ranges::count_if(
      leases_, [](const auto& lease) { return lease->recovery.is_serving(); });
  serving_.store(static_cast<size_t>(serving), std::memory_order_release);
  refuses_ = is_stopping_ || IsLostLocked();
}

bool Model::IsLostLocked() const {
  return std::ranges::all_of(leases_, [](const auto& lease) { return lease->recovery.is_lost(); });
}

base::Status Model::LostLocked() const {
  return base::Unavailable("model '" + plan_.name +
                           "' has no instance that works: " + leases_[0]->recovery.state().reason);
}

base::Status Model::CheckNotLost() const {
  std::lock_guard lock(mutex_);
  return IsLostLocked() ? LostLocked() : base::Status();
}

std::string Model::Name(const Lease& lease) const {
  return "instance " + std::to_string(static_cast<size_t>(first_instance_) + lease.index) +
         " of model '" + plan_.name + "'";
}

void Model::TellHealth() const {
  if (options_.health_changed) options_.health_changed();
}

void Model::RefuseQueueLocked(std::vector<Refusal>& refusals) {
  const base::Instant now = steady_clock::now();
  while (!queue_.empty()) {
    core::RequestPtr request = queue_.PopFront().request;
    CountEndLocked(*request, metrics::FailureReason::kBackend, now);
    refusals.push_back({std::move(request), LostLocked()});
  }
  statistics_.queued = 0;
}

base::Result<std::unique_ptr<backend::Instance>> Model::Rebuild(
    const Lease& lease, std::unique_ptr<backend::Instance> poisoned) const {
  const auto index = static_cast<int>(lease.index);
  ASSIGN_OR_RETURN(auto instance,
                   backend_model_->RebuildInstance(first_instance_ + index, std::move(poisoned)));
  if (warmup_) {
    RETURN_IF_ERROR(warmup_->Warm(*instance, index, [&] {
      std::lock_guard lock(mutex_);
      return is_stopping_ || lease.is_leaving;
    }));
  }
  return instance;
}

bool Model::Recover(std::unique_lock<std::mutex>& lock, Lease& lease) {
  if (is_stopping_ || lease.recovery.is_lost()) {
    lease.recovery.Lose();
    UpdateHealthLocked();
    std::vector<Refusal> refusals;
    if (IsLostLocked()) RefuseQueueLocked(refusals);
    const std::string reason = lease.recovery.state().reason;
    const bool is_stopping = is_stopping_;
    lock.unlock();
    if (!is_stopping) {
      SERVING_LOG(kError, Name(lease) + " is lost until the model is loaded again: " + reason);
      TellHealth();
    }
    SendRefusals(refusals);
    lock.lock();
    lease.work.wait(lock, [&] { return is_stopping_ || lease.is_leaving; });
    return false;
  }
  if (steady_clock::now() < lease.recovery.next_attempt()) {
    lease.work.wait_until(lock, lease.recovery.next_attempt());
    return true;
  }
  lease.recovery.BeginRebuild();
  const std::string reason = lease.recovery.state().reason;
  auto poisoned = std::move(lease.instance);
  lock.unlock();
  SERVING_LOG(kWarning, Name(lease) + " is rebuilt, which was poisoned: " + reason);
  auto rebuilt = Rebuild(lease, std::move(poisoned));
  lock.lock();
  if (rebuilt.ok()) {
    lease.instance = rebuilt.Take();
    lease.recovery.Rebuilt(steady_clock::now());
    lease.awaits_rebuild = false;
    lease.is_held = false;
    ++statistics_.rebuilds;
  } else {
    lease.recovery.Fail(rebuilt.status().message(), steady_clock::now());
  }
  UpdateHealthLocked();
  lock.unlock();
  TellHealth();
  lock.lock();
  return true;
}

}  // namespace serving::model
