// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/status.h"
#include "scheduler/resource_policy.h"

namespace serving::model {

// What the instances of all models ask before they run, where they hold resources.
//
// Threads: every function from any. Its lock is held by itself: never with that of a model.
class RateLimiter : public std::enable_shared_from_this<RateLimiter> {
 public:
  explicit RateLimiter(std::vector<scheduler::ResourceLimit> limits) : policy_(std::move(limits)) {}

  // An instance among those that ask, until it is destroyed. One thread takes, any releases.
  class Ticket {
   public:
    ~Ticket();
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

    // Waits until the instance may run. False, without its resources, after Cancel.
    bool Take();
    // It has run, or does not want to.
    void Release();
    // Ends the waiting, now and from now on.
    void Cancel();

   private:
    friend class RateLimiter;
    Ticket(std::shared_ptr<RateLimiter> limiter, scheduler::ResourcePolicy::Id id)
        : limiter_(std::move(limiter)), id_(id) {}

    const std::shared_ptr<RateLimiter> limiter_;
    const scheduler::ResourcePolicy::Id id_;
    std::condition_variable granted_;
    bool is_cancelled_ = false;  // guarded by the limiter's lock
  };

  // Refused when the instance could never run.
  base::Result<std::unique_ptr<Ticket>> Register(std::vector<scheduler::ResourceNeed> needs,
                                                 uint32_t priority);

 private:
  void GrantLocked();

  std::mutex mutex_;
  scheduler::ResourcePolicy policy_;                          // guarded by mutex_
  std::map<scheduler::ResourcePolicy::Id, Ticket*> tickets_;  // guarded by mutex_
};

}  // namespace serving::model
