// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "base/buffer.h"
#include "base/memory_budget.h"
#include "base/mpsc_queue.h"
#include "base/ref.h"

namespace serving::device {

class HostBuffer;

// Host memory for one owner (an I/O thread, an instance): no lock and, in steady state, no malloc.
//
// Threads: Allocate, Reserve and Trim by one thread at a time (the owner, or whoever holds the
// instance's lease). Buffers may be dropped on any thread; they come back through a lock-free
// stack. Owns: at most kMaxCachedBytes of memory that nobody uses. Lives until its last buffer is
// home.
class HostPool final : public base::RefCounted, public base::BufferAllocator {
 public:
  static constexpr size_t kMaxCachedBytes = 24 << 20;

  explicit HostPool(std::shared_ptr<base::MemoryBudget> budget);

  base::BufferRef Allocate(size_t bytes) override;
  base::BufferRef Reserve(size_t bytes) override;
  // Gives everything unused back to the system.
  void Trim();
  // Bytes kept for later. Any thread.
  size_t cached_bytes() const { return cached_bytes_.load(std::memory_order_relaxed); }
  // Bytes that its buffers in use are charged with. Any thread; exact while nothing comes or goes.
  size_t charged_bytes() const { return charged_bytes_.load(std::memory_order_relaxed); }

 private:
  friend class HostBuffer;
  static constexpr size_t kSmallestClassBytes = 256;
  static constexpr size_t kClasses = 9;  // 256 B … 64 KiB
  static constexpr size_t kLargestClassBytes = kSmallestClassBytes << (kClasses - 1);
  static constexpr size_t kLargestCachedBytes = 8 << 20;

  ~HostPool() override;
  HostBuffer* Take(size_t bytes);
  HostBuffer* TakeLarge(size_t bytes);
  void SortReturned();
  // Any thread: keeps the buffer for later or frees it.
  void Return(HostBuffer* buffer);

  std::shared_ptr<base::MemoryBudget> budget_;
  std::array<HostBuffer*, kClasses> free_{};
  std::vector<HostBuffer*> free_large_;
  base::MpscQueue<HostBuffer> returned_;
  std::atomic<size_t> cached_bytes_{0};
  std::atomic<size_t> charged_bytes_{0};
};

// A charged buffer of its own, for any thread: aligned and padded as a pool's, freed when dropped.
// For memory that is asked for one by one, away from the infer path of a batch. Null when the
// budget is full.
base::BufferRef AllocateAlone(std::shared_ptr<base::MemoryBudget> budget, size_t bytes);

}  // namespace serving::device
