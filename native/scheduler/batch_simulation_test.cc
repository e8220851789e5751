// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

// Runs the batching policy in a world of its own: a virtual clock, random arrivals and executions,
// some instances. What must hold at every decision is checked; planted policies show that the
// checks can fail.

#include <algorithm>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/clock.h"
#include "gtest/gtest.h"
#include "scheduler/batch_policy.h"

namespace serving::scheduler {
namespace {

using base::Instant;
using base::Nanoseconds;
using std::chrono::microseconds;
using Policy = std::function<BatchDecision(const RequestQueue&, Instant, const core::ModelPlan&)>;

class World {
 public:
  World(Policy policy, unsigned seed) : policy_(std::move(policy)), random_(seed) {
    clock_.Advance(std::chrono::hours(1));
    plan_.max_batch_size = Dice(1, 16);
    plan_.batching.emplace();
    plan_.batching->max_queue_delay = microseconds(Dice(0, 1) * Dice(1, 2000));
    for (int64_t size = 1; size <= plan_.max_batch_size; ++size) {
      if (Dice(0, 3) == 0) plan_.batching->preferred_batch_sizes.push_back(size);
    }
    shapes_ = Dice(1, 3);
    busy_until_.assign(static_cast<size_t>(Dice(1, 3)), clock_.Now());
  }

  // The first thing that was wrong; nothing when all held until the last of `requests` was sent.
  std::optional<std::string> Run(int requests) {
    Instant next_arrival = clock_.Now();
    Instant look_again = base::kNever;
    int arrived = 0;
    for (int step = 0; arrived < requests || !queue_.empty(); ++step) {
      if (step > requests * 50) return "the queue does not get empty";
      while (arrived < requests && next_arrival <= clock_.Now()) {
        Arrive();
        ++arrived;
        next_arrival += microseconds(Dice(0, 3) * Dice(0, 400));
      }
      look_again = base::kNever;
      while (auto instance = IdleInstance()) {
        if (queue_.empty()) break;
        const BatchDecision decision = policy_(queue_, clock_.Now(), plan_);
        if (auto wrong = Check(decision)) return wrong;
        if (decision.send == 0) {
          look_again = decision.wait_until;
          break;
        }
        Send(decision, *instance);
      }
      AdvanceTo(NextEvent(arrived < requests ? next_arrival : base::kNever, look_again));
    }
    return std::nullopt;
  }

 private:
  int64_t Dice(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random_);
  }

  void Arrive() {
    QueuedRequest request;
    request.rows = Dice(1, plan_.max_batch_size);
    if (Dice(0, 1) == 0) request.rows = 1;
    request.shape_key = static_cast<uint64_t>(Dice(1, shapes_));
    request.enqueued = clock_.Now();
    queue_.Push(std::move(request));
  }

  std::optional<size_t> IdleInstance() const {
    for (size_t i = 0; i < busy_until_.size(); ++i) {
      if (busy_until_[i] <= clock_.Now()) return i;
    }
    return std::nullopt;
  }

  std::optional<std::string> Check(const BatchDecision& decision) const {
    if (decision.send > queue_.size()) return "more were sent than wait";
    const Nanoseconds delay = plan_.batching->max_queue_delay;
    if (decision.send == 0) {
      if (decision.wait_until == base::kNever)
        return "an instance idles for ever while requests wait";
      if (decision.wait_until <= clock_.Now()) return "it waits for a time that is past";
      if (decision.wait_until > queue_[0].enqueued + delay)
        return "the oldest waits longer than the delay";
      if (LongestRunIsFinal()) return "it waits though nothing could join the batch";
      return std::nullopt;
    }
    int64_t rows = 0;
    for (size_t i = 0; i < decision.send; ++i) {
      if (queue_[i].shape_key != queue_[0].shape_key) return "two shapes share a batch";
      rows += queue_[i].rows;
    }
    if (rows > plan_.max_batch_size) return "a batch is over the limit";
    if (rows != decision.rows) return "the rows are counted wrong";
    return std::nullopt;
  }

  // The batch that begins with the oldest is full, or somebody stands behind it who cannot join.
  bool LongestRunIsFinal() const {
    int64_t rows = 0;
    for (size_t i = 0; i < queue_.size(); ++i) {
      if (queue_[i].shape_key != queue_[0].shape_key) return true;
      rows += queue_[i].rows;
      if (rows >= plan_.max_batch_size) return true;
    }
    return false;
  }

  void Send(const BatchDecision& decision, size_t instance) {
    for (size_t i = 0; i < decision.send; ++i) queue_.PopFront();
    busy_until_[instance] = clock_.Now() + microseconds(Dice(1, 600));
  }

  Instant NextEvent(Instant arrival, Instant look_again) const {
    Instant next = std::min(arrival, look_again);
    for (const Instant until : busy_until_) {
      if (until > clock_.Now()) next = std::min(next, until);
    }
    return next;
  }

  void AdvanceTo(Instant instant) {
    if (instant != base::kNever && instant > clock_.Now()) clock_.Advance(instant - clock_.Now());
  }

  const Policy policy_;
  std::mt19937 random_;
  base::FakeClock clock_;
  core::ModelPlan plan_;
  RequestQueue queue_;
  int64_t shapes_ = 1;
  std::vector<Instant> busy_until_;
};

// The complaint of the first world that has one.
std::string FirstComplaint(const Policy& policy) {
  for (unsigned seed = 0; seed < 400; ++seed) {
    if (const auto wrong = World(policy, seed).Run(200)) {
      return *wrong + " (seed " + std::to_string(seed) + ")";
    }
  }
  return {};
}

TEST(BatchSimulation, EverythingHoldsInEveryWorld) { EXPECT_EQ(FirstComplaint(&NextBatch), ""); }

void ExpectComplaint(const std::string& complaint, const Policy& policy) {
  EXPECT_TRUE(FirstComplaint(policy).starts_with(complaint)) << FirstComplaint(policy);
}

TEST(BatchSimulation, FindsAPolicyThatMixesShapes) {
  ExpectComplaint("two shapes share a batch", [](const auto& queue, Instant, const auto& plan) {
    BatchDecision decision;
    while (decision.send < queue.size() &&
           decision.rows + queue[decision.send].rows <= plan.max_batch_size) {
      decision.rows += queue[decision.send++].rows;
    }
    return decision;
  });
}

TEST(BatchSimulation, FindsAPolicyThatPassesTheLimit) {
  ExpectComplaint("a batch is over the limit",
                  [](const auto& queue, Instant now, const auto& plan) {
                    BatchDecision decision = NextBatch(queue, now, plan);
                    if (decision.send != 0 && decision.send < queue.size() &&
                        queue[decision.send].shape_key == queue[0].shape_key) {
                      decision.rows += queue[decision.send++].rows;
                    }
                    return decision;
                  });
}

TEST(BatchSimulation, FindsAPolicyThatForgetsToWakeUp) {
  ExpectComplaint("an instance idles for ever",
                  [](const auto& queue, Instant now, const auto& plan) {
                    BatchDecision decision = NextBatch(queue, now, plan);
                    decision.wait_until = base::kNever;
                    return decision;
                  });
}

TEST(BatchSimulation, FindsAPolicyThatWaitsTooLong) {
  ExpectComplaint("the oldest waits longer", [](const auto& queue, Instant now, const auto& plan) {
    BatchDecision decision = NextBatch(queue, now, plan);
    if (decision.send == 0) decision.wait_until += microseconds(1);
    return decision;
  });
}

TEST(BatchSimulation, FindsAPolicyThatWaitsForNothing) {
  // Waits out the delay of everything that is not the limit, whoever stands behind it.
  ExpectComplaint("it waits though nothing could join",
                  [](const auto& queue, Instant now, const auto& plan) {
                    const BatchDecision decision = NextBatch(queue, now, plan);
                    const Instant due = queue[0].enqueued + plan.batching->max_queue_delay;
                    if (decision.rows == plan.max_batch_size || now >= due) return decision;
                    return BatchDecision{.wait_until = due};
                  });
}

}  // namespace
}  // namespace serving::scheduler
