// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "core/infer_request.h"

namespace serving::scheduler {

// A request in a queue, and what a batching decision needs to know of it.
struct QueuedRequest {
  core::RequestPtr request;
  int64_t rows = 1;
  uint64_t bytes = 0;  // of its inputs, where somebody wants to know
  base::Instant enqueued;
  base::Instant expires = base::kNever;  // queue timeout
  uint64_t shape_key = 0;                // only equal keys share a batch
};

// First in, first out, in a ring that keeps its memory. Not thread-safe: its model's lock guards
// it.
class RequestQueue {
 public:
  size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  int64_t rows() const { return rows_; }
  uint64_t bytes() const { return bytes_; }
  const QueuedRequest& operator[](size_t i) const {
    return ring_[(head_ + i) & (ring_.size() - 1)];
  }

  void Push(QueuedRequest queued) {
    if (count_ == ring_.size()) Grow();
    rows_ += queued.rows;
    bytes_ += queued.bytes;
    At(count_++) = std::move(queued);
  }
  QueuedRequest PopFront() {
    QueuedRequest front = std::move(At(0));
    head_ = (head_ + 1) & (ring_.size() - 1);
    --count_;
    Subtract(front);
    return front;
  }
  // Takes out the i-th, keeping the order of the others. Moves the shorter side: what expires is
  // mostly in front.
  QueuedRequest Remove(size_t i) {
    QueuedRequest removed = std::move(At(i));
    if (i < count_ / 2) {
      for (; i > 0; --i) At(i) = std::move(At(i - 1));
      head_ = (head_ + 1) & (ring_.size() - 1);
    } else {
      for (; i + 1 < count_; ++i) At(i) = std::move(At(i + 1));
    }
    --count_;
    Subtract(removed);
    return removed;
  }

 private:
  QueuedRequest& At(size_t i) { return ring_[(head_ + i) & (ring_.size() - 1)]; }
  void Subtract(const QueuedRequest& gone) {
    rows_ -= gone.rows;
    bytes_ -= gone.bytes;
  }
  void Grow() {
    std::vector<QueuedRequest> larger(ring_.empty() ? 64 : ring_.size() * 2);
    for (size_t i = 0; i < count_; ++i) larger[i] = std::move(At(i));
    ring_ = std::move(larger);
    head_ = 0;
  }

  std::vector<QueuedRequest> ring_;  // size is a power of two
  size_t head_ = 0;
  size_t count_ = 0;
  int64_t rows_ = 0;    // of all
  uint64_t bytes_ = 0;  // of all
};

}  // namespace serving::scheduler
