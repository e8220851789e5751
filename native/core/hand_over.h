// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace serving::core {

// Counts the tensors of an ensemble that were copied on their way from the step that made them to
// the one that reads them.
//
// Threads: any. Nothing is written for tensors that stayed where they were.
class HandOver {
 public:
  void CountCopy(size_t bytes) {
    copied_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    copied_tensors_.fetch_add(1, std::memory_order_relaxed);
  }
  uint64_t copied_bytes() const { return copied_bytes_.load(std::memory_order_relaxed); }
  uint64_t copied_tensors() const { return copied_tensors_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> copied_bytes_{0};
  std::atomic<uint64_t> copied_tensors_{0};
};

}  // namespace serving::core
