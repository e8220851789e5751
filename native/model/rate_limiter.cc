// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/rate_limiter.h"

#include <utility>

namespace serving::model {

base::Result<std::unique_ptr<RateLimiter::Ticket>> RateLimiter::Register(
    std::vector<scheduler::ResourceNeed> needs, uint32_t priority) {
  std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(const auto id, policy_.Register(std::move(needs), priority));
  std::unique_ptr<Ticket> ticket(new Ticket(shared_from_this(), id));
  tickets_[id] = ticket.get();
  return ticket;
}

void RateLimiter::GrantLocked() {
  for (const auto id : policy_.Grant()) tickets_.at(id)->granted_.notify_one();
}

RateLimiter::Ticket::~Ticket() {
  std::lock_guard lock(limiter_->mutex_);
  limiter_->policy_.Unregister(id_);
  limiter_->tickets_.erase(id_);
  limiter_->GrantLocked();
}

bool RateLimiter::Ticket::Take() {
  std::unique_lock lock(limiter_->mutex_);
  if (is_cancelled_) return false;
  limiter_->policy_.Ask(id_);
  limiter_->GrantLocked();
  granted_.wait(lock, [this] { return is_cancelled_ || limiter_->policy_.IsRunning(id_); });
  if (limiter_->policy_.IsRunning(id_)) return true;
  limiter_->policy_.Withdraw(id_);
  limiter_->GrantLocked();
  return false;
}

void RateLimiter::Ticket::Release() {
  std::lock_guard lock(limiter_->mutex_);
  limiter_->policy_.Release(id_);
  limiter_->GrantLocked();
}

void RateLimiter::Ticket::Cancel() {
  std::lock_guard lock(limiter_->mutex_);
  is_cancelled_ = true;
  granted_.notify_one();
}

}  // namespace serving::model
