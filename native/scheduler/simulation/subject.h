// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "scheduler/ageing.h"
#include "scheduler/answer_order.h"
#include "scheduler/batch_policy.h"
#include "scheduler/priority_queue.h"
#include "scheduler/queue_policy.h"

namespace serving::scheduler::simulation {

using Drop = std::function<void(QueuedRequest, DropReason)>;
// The place of an answer in a batch: the i-th request gets `rows` rows from `offset` on.
using Answer = std::function<void(size_t i, int64_t offset, int64_t rows)>;

// Requests that ran together, and what the model computed on: every row has a number.
struct Batch {
  std::vector<QueuedRequest> requests;
  std::vector<int64_t> rows;
};

// The steps of a scheduler, as a model takes them. Tests plant bugs by overriding one.
class Subject {
 public:
  virtual ~Subject() = default;

  virtual bool Admits(const PriorityQueue& queue, uint64_t level) { return !queue.IsFull(level); }
  // Before a request arrives.
  virtual void Age(PriorityQueue& queue, base::Nanoseconds ageing, base::Instant now) {
    scheduler::Age(queue, ageing, now);
  }
  virtual Place Push(PriorityQueue& queue, uint64_t level, QueuedRequest queued) {
    return queue.Push(level, std::move(queued));
  }
  virtual void ApplyPolicies(PriorityQueue& queue, Place place, base::Instant now, int64_t rows,
                             const Drop& drop) {
    scheduler::ApplyPolicies(queue, place, now, rows, drop);
  }
  virtual BatchDecision Decide(const PriorityQueue& queue, base::Instant now,
                               const core::ModelPlan& plan) {
    return NextBatch(queue, now, plan);
  }
  virtual void Take(PriorityQueue& queue, size_t count, std::vector<QueuedRequest>& batch) {
    for (size_t i = 0; i < count; ++i) batch.push_back(queue.PopFront());
  }
  // A client leaves while its request waits.
  virtual QueuedRequest Remove(PriorityQueue& queue, Place place) { return queue.Remove(place); }
  // A batch of a model that keeps the order is done: which may be answered now.
  virtual std::vector<Batch> Finish(AnswerOrder<Batch>& order, uint64_t number, Batch batch) {
    std::vector<Batch> due;
    order.Finish(number, std::move(batch));
    while (auto next = order.TakeDue()) {
      due.push_back(std::move(*next));
      order.Sent();
    }
    return due;
  }
  virtual void Deliver(const std::vector<QueuedRequest>& batch, const Answer& answer) {
    int64_t offset = 0;
    for (size_t i = 0; i < batch.size(); ++i) {
      answer(i, offset, batch[i].rows);
      offset += batch[i].rows;
    }
  }
};

}  // namespace serving::scheduler::simulation
