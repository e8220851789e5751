// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "model/queue_timers.h"

#include <chrono>
#include <string>
#include <system_error>

#include "metrics/model_statistics.h"

namespace serving::model {

QueueTimers::~QueueTimers() {
  {
    std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_one();
  thread_.Join();
}

base::Status QueueTimers::Start() {
  std::lock_guard lock(mutex_);
  if (is_started_) return {};
  try {
    thread_ = base::Thread("queue-timers", [this] { Run(); });
  } catch (const std::system_error& error) {
    return base::Unavailable("no thread left for the timeouts of queues: " +
                             std::string(error.what()));
  }
  is_started_ = true;
  return {};
}

QueueTimers::Key QueueTimers::Add(base::Instant when, Entry entry) {
  std::lock_guard lock(mutex_);
  const Key key(when, added_++);
  const auto place = entries_.emplace(key, std::move(entry)).first;
  if (place == entries_.begin()) changed_.notify_one();
  return key;
}

void QueueTimers::Remove(const Key& key) {
  Entry removed;  // the last reference to a model goes without the lock
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  removed = std::move(found->second);
  entries_.erase(found);
}

void QueueTimers::Run() {
  std::unique_lock lock(mutex_);
  while (!is_stopping_) {
    if (entries_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const base::Instant first = entries_.begin()->first.first;
    if (first > std::chrono::steady_clock::now()) {
      changed_.wait_until(lock, first);
      continue;
    }
    Entry due = std::move(entries_.begin()->second);
    entries_.erase(entries_.begin());
    lock.unlock();
    due.model->RemoveQueued(due.sink.get(), base::Unavailable("Request timeout expired"),
                            metrics::FailureReason::kRejected);
    due = {};
    lock.lock();
  }
}

}  // namespace serving::model
