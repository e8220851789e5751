// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>

namespace serving::base {

// The ceiling of all request, tensor and response bytes of one engine. Any thread; never blocks.
class MemoryBudget {
 public:
  explicit MemoryBudget(size_t limit_bytes) : limit_(limit_bytes) {}

  // False, with nothing charged, when `bytes` more would pass the ceiling.
  bool TryCharge(size_t bytes) {
    size_t used = used_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit_ - used) return false;
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    if (used + bytes > recent_peak_.load(std::memory_order_relaxed)) [[unlikely]]
      RaisePeak(used + bytes);
    return true;
  }
  void Release(size_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }

  size_t used() const { return used_.load(std::memory_order_relaxed); }
  size_t limit() const { return limit_; }

  // The most that was charged at once, since the start. A hair less where charges meet.
  size_t peak() const {
    return std::max(peak_.load(std::memory_order_relaxed),
                    recent_peak_.load(std::memory_order_relaxed));
  }
  // The same since the last call. One caller at a time.
  size_t TakeRecentPeak() {
    const size_t recent = recent_peak_.exchange(used(), std::memory_order_relaxed);
    if (recent > peak_.load(std::memory_order_relaxed)) {
      peak_.store(recent, std::memory_order_relaxed);
    }
    return std::max(recent, used());
  }

 private:
  void RaisePeak(size_t used) {
    size_t peak = recent_peak_.load(std::memory_order_relaxed);
    while (used > peak &&
           !recent_peak_.compare_exchange_weak(peak, used, std::memory_order_relaxed)) {
    }
  }

  const size_t limit_;
  std::atomic<size_t> used_{0};
  std::atomic<size_t> recent_peak_{0};
  std::atomic<size_t> peak_{0};
};

}  // namespace serving::base
