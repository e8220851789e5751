// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <utility>

#include "base/clock.h"
#include "base/ref.h"
#include "base/status.h"
#include "base/thread.h"
#include "core/response_sink.h"
#include "model/servable.h"

namespace serving::model {

// Refuses requests that no connection has sent, from inside the process and of steps of ensembles,
// when they have waited for too long in the queue of their model. Those of connections have the
// timers of their I/O thread.
//
// Threads: functions from any; one of its own, from the first request with a timeout on.
class QueueTimers {
 public:
  struct Entry {
    base::Ref<core::ResponseSink> sink;
    base::Ref<Servable> model;
  };
  using Key = std::pair<base::Instant, uint64_t>;

  QueueTimers() = default;
  ~QueueTimers();
  QueueTimers(const QueueTimers&) = delete;
  QueueTimers& operator=(const QueueTimers&) = delete;

  // Before the first Add. Fails when the system has no thread left.
  base::Status Start();
  // A request that is submitted.
  Key Add(base::Instant when, Entry entry);
  // It has its answer.
  void Remove(const Key& key);

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Key, Entry> entries_;  // guarded by mutex_
  uint64_t added_ = 0;            // guarded by mutex_
  bool is_stopping_ = false;      // guarded by mutex_
  bool is_started_ = false;       // guarded by mutex_
  base::Thread thread_;
};

}  // namespace serving::model
