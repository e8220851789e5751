// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// What is kept for requests to come, and when it goes back to the system.

#include <malloc.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>

#include "frontend/frontend.h"
#include "frontend/io_handler.h"

namespace serving::frontend {
namespace {

// A server whose requests held no more than this is idle, or busy with what is small.
constexpr size_t kLittleBytes = 1 << 20;
// Less than this is worth keeping.
constexpr size_t kWorthTrimming = 4 << 20;
// For every I/O thread to come around.
constexpr auto kPatience = std::chrono::seconds(5);

}  // namespace

Frontend::Memory Frontend::memory() {
  std::lock_guard lock(mutex_);
  Memory memory;
  for (const auto& pool : pools_) {
    if (!pool) continue;
    memory.request_bytes += pool->charged_bytes();
    memory.idle_bytes += pool->cached_bytes();
  }
  return memory;
}

bool Frontend::TrimMemory() {
  const bool has_unloaded = engine_.TakeUnloaded();
  const bool is_idle = engine_.budget()->TakeRecentPeak() <= kLittleBytes;
  if (!has_unloaded && !is_idle) return false;
  size_t idle_bytes = memory().idle_bytes;
  for (const auto& sample : engine_.Snapshot()) idle_bytes += sample.statistics.idle_bytes;
  if (!has_unloaded && idle_bytes + mallinfo2().fordblks < kWorthTrimming + left_by_allocator_) {
    return false;
  }
  if (is_idle) {
    engine_.TrimModels();
    struct Seen {
      std::mutex mutex;
      std::condition_variable changed;
      bool is_true = false;
    };
    const auto seen = std::make_shared<Seen>();
    TableNotice notice;
    notice.trims = true;
    NotifyThreads(notice, [seen] {
      std::lock_guard lock(seen->mutex);
      seen->is_true = true;
      seen->changed.notify_all();
    });
    std::unique_lock lock(seen->mutex);
    seen->changed.wait_for(lock, kPatience, [&] { return seen->is_true; });
  }
  malloc_trim(0);
  // Free pieces between pieces in use count as free whether or not their pages are there.
  left_by_allocator_ = mallinfo2().fordblks;
  return true;
}

void IoHandler::Trim() {
  pool_->Trim();
  while (free_requests_ != nullptr) delete std::exchange(free_requests_, free_requests_->next);
}

}  // namespace serving::frontend
