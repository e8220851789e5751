// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/simulation/world.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace serving::scheduler::simulation {
namespace {

constexpr uint64_t kSeed = 1;

TEST(Simulation, HoldsForAMillionEvents) {
  Subject subject;
  const Outcome outcome = Simulate(subject, kSeed, 1'000'000);
  EXPECT_EQ(outcome.wrong, "") << "npm run simulate -- --events=1 --seed=" << outcome.seed;
  EXPECT_GE(outcome.events, 1'000'000u);
}

TEST(Simulation, IsTheSameForTheSameSeed) {
  Subject subject;
  const Outcome one = Simulate(subject, 5, 50'000);
  const Outcome two = Simulate(subject, 5, 50'000);
  EXPECT_EQ(one.events, two.events);
  EXPECT_EQ(one.seed, two.seed);
}

// Planted bugs: each must be found, and called what it is.

template <typename Mutant>
std::string Complaint() {
  Mutant mutant;
  return Simulate(mutant, kSeed, 300'000).wrong;
}

struct Loses : Subject {
  void Deliver(const std::vector<QueuedRequest>& batch, const Answer& answer) override {
    const auto but_one = [&](size_t i, int64_t offset, int64_t rows) {
      if (++count % 100 != 0) answer(i, offset, rows);
    };
    Subject::Deliver(batch, but_one);
  }
  int count = 0;
};
TEST(PlantedBug, LosesAnAnswer) {
  EXPECT_EQ(Complaint<Loses>(), "a request is let go without an answer");
}

struct Duplicates : Subject {
  void Deliver(const std::vector<QueuedRequest>& batch, const Answer& answer) override {
    Subject::Deliver(batch, answer);
    if (++count % 100 == 0) answer(0, 0, batch[0].rows);
  }
  int count = 0;
};
TEST(PlantedBug, AnswersTwice) {
  EXPECT_EQ(Complaint<Duplicates>(), "a request is answered twice");
}

struct MixesRows : Subject {
  void Deliver(const std::vector<QueuedRequest>& batch, const Answer& answer) override {
    int64_t offset = 0;
    for (size_t i = batch.size(); i-- > 0;) {
      answer(i, offset, batch[i].rows);
      offset += batch[i].rows;
    }
  }
};
TEST(PlantedBug, AnswersWithTheRowsOfAnother) {
  EXPECT_EQ(Complaint<MixesRows>(), "an answer has the rows of another");
}

struct LosesInTheQueue : Subject {
  void Take(PriorityQueue& queue, size_t count, std::vector<QueuedRequest>& batch) override {
    Subject::Take(queue, count, batch);
    if (queue.size() > 3) kept.push_back(queue.PopFront());
  }
  ~LosesInTheQueue() override {
    // They belong to a world that has ended.
    for (QueuedRequest& queued : kept) static_cast<void>(queued.request.release());
  }
  std::vector<QueuedRequest> kept;
};
TEST(PlantedBug, ForgetsARequestThatWaits) {
  EXPECT_EQ(Complaint<LosesInTheQueue>(), "a batch is not what was decided");
}

struct Reorders : Subject {
  void Take(PriorityQueue& queue, size_t count, std::vector<QueuedRequest>& batch) override {
    for (size_t i = 0; i < count; ++i) {
      const Place second = queue.After(queue.First());
      batch.push_back(second == kNoPlace ? queue.PopFront() : queue.Remove(second));
    }
  }
};
TEST(PlantedBug, TakesTheSecondBeforeTheFirst) {
  EXPECT_EQ(Complaint<Reorders>(), "a request runs before its turn");
}

struct ForgetsLevels : Subject {
  Place Push(PriorityQueue& queue, uint64_t, QueuedRequest queued) override {
    return queue.Push(1, std::move(queued));
  }
};
TEST(PlantedBug, PutsEverybodyInOneLevel) { EXPECT_NE(Complaint<ForgetsLevels>(), ""); }

struct Sleeps : Subject {
  BatchDecision Decide(const PriorityQueue& queue, base::Instant now,
                       const core::ModelPlan& plan) override {
    BatchDecision decision = NextBatch(queue, now, plan);
    decision.wait_until = base::kNever;
    return decision;
  }
};
TEST(PlantedBug, ForgetsToWakeUp) {
  EXPECT_EQ(Complaint<Sleeps>(), "an instance idles for ever while requests wait");
}

struct Oversleeps : Subject {
  BatchDecision Decide(const PriorityQueue& queue, base::Instant now,
                       const core::ModelPlan& plan) override {
    BatchDecision decision = NextBatch(queue, now, plan);
    if (decision.send == 0) decision.wait_until += std::chrono::nanoseconds(1);
    return decision;
  }
};
TEST(PlantedBug, WaitsTooLong) {
  EXPECT_EQ(Complaint<Oversleeps>(), "the oldest waits longer than the delay");
}

struct Dawdles : Subject {
  BatchDecision Decide(const PriorityQueue& queue, base::Instant now,
                       const core::ModelPlan& plan) override {
    const BatchDecision decision = NextBatch(queue, now, plan);
    if (!plan.batching || decision.rows >= plan.max_batch_size) return decision;
    const base::Instant due = queue[queue.First()].enqueued + plan.batching->max_queue_delay;
    return now >= due ? decision : BatchDecision{.wait_until = due};
  }
};
TEST(PlantedBug, WaitsForNothing) { EXPECT_EQ(Complaint<Dawdles>().substr(0, 8), "it waits"); }

struct MixesShapes : Subject {
  BatchDecision Decide(const PriorityQueue& queue, base::Instant now,
                       const core::ModelPlan& plan) override {
    if (!plan.batching || plan.max_batch_size < 2) return NextBatch(queue, now, plan);
    BatchDecision decision;
    for (Place place = queue.First();
         place != kNoPlace && decision.rows + queue[place].rows <= plan.max_batch_size;
         place = queue.After(place)) {
      decision.rows += queue[place].rows;
      ++decision.send;
    }
    return decision;
  }
};
TEST(PlantedBug, PutsTwoShapesIntoABatch) {
  EXPECT_EQ(Complaint<MixesShapes>(), "two shapes share a batch");
}

struct Overfills : Subject {
  BatchDecision Decide(const PriorityQueue& queue, base::Instant now,
                       const core::ModelPlan& plan) override {
    BatchDecision decision = NextBatch(queue, now, plan);
    Place next = queue.First();
    for (size_t i = 0; i < decision.send; ++i) next = queue.After(next);
    if (plan.batching && plan.max_batch_size > 1 && decision.send != 0 && next != kNoPlace &&
        queue[next].shape_key == queue[queue.First()].shape_key) {
      decision.rows += queue[next].rows;
      ++decision.send;
    }
    return decision;
  }
};
TEST(PlantedBug, PassesTheLimitOfABatch) {
  EXPECT_EQ(Complaint<Overfills>(), "a batch is over the limit");
}

struct KeepsTheDead : Subject {
  void ApplyPolicies(PriorityQueue&, Place, base::Instant, int64_t,
                     const simulation::Drop&) override {}
};
TEST(PlantedBug, RunsTheDead) {
  EXPECT_EQ(Complaint<KeepsTheDead>(), "others are dropped than are cancelled or late");
}

struct DropsEarly : Subject {
  void ApplyPolicies(PriorityQueue& queue, Place place, base::Instant now, int64_t rows,
                     const simulation::Drop& drop) override {
    scheduler::ApplyPolicies(queue, place, now + std::chrono::microseconds(1), rows, drop);
  }
};
TEST(PlantedBug, DropsBeforeTheTime) { EXPECT_NE(Complaint<DropsEarly>(), ""); }

// Who is delayed first is served last of them.
struct TurnsTheDelayedRound : Subject {
  void ApplyPolicies(PriorityQueue& queue, Place place, base::Instant now, int64_t rows,
                     const simulation::Drop& drop) override {
    scheduler::ApplyPolicies(queue, place, now, rows, drop);
    const Place first = queue.First();
    if (first == kNoPlace || queue.MayDelay(first) || queue.After(first) == kNoPlace) return;
    if (queue.PolicyOf(queue.LevelOf(queue[first].request->priority)).delays_expired)
      queue.Delay(first, queue[first].expires);
  }
};
TEST(PlantedBug, ServesTheDelayedOutOfOrder) {
  EXPECT_EQ(Complaint<TurnsTheDelayedRound>(), "a request runs before its turn");
}

struct AdmitsOneMore : Subject {
  bool Admits(const PriorityQueue& queue, uint64_t level) override {
    return !queue.IsFull(level) || ++count % 10 == 0;
  }
  int count = 0;
};
TEST(PlantedBug, TakesMoreThanTheLimit) {
  EXPECT_EQ(Complaint<AdmitsOneMore>(), "a full level takes one more");
}

// A count of its own that drifts whenever somebody leaves.
struct Drifts : Subject {
  bool Admits(const PriorityQueue& queue, uint64_t level) override {
    const int64_t limit = queue.PolicyOf(level).max_queue_size;
    return limit == 0 || (!queue.IsFull(level) && drift < limit);
  }
  QueuedRequest Remove(PriorityQueue& queue, Place place) override {
    ++drift;
    return Subject::Remove(queue, place);
  }
  int64_t drift = 0;
};
TEST(PlantedBug, RefusesThoughThereIsRoom) {
  EXPECT_EQ(Complaint<Drifts>(), "a level that is not full refuses");
}

struct NeverAges : Subject {
  void Age(PriorityQueue&, base::Nanoseconds, base::Instant) override {}
};
TEST(PlantedBug, LetsAClassStarve) {
  EXPECT_EQ(Complaint<NeverAges>(), "a request waits for one that came after its age");
}

struct Overtakes : Subject {
  std::vector<Batch> Finish(AnswerOrder<Batch>& order, uint64_t number, Batch batch) override {
    std::vector<Batch> due = Subject::Finish(order, number, {});
    due.clear();
    due.push_back(std::move(batch));
    return due;
  }
};
TEST(PlantedBug, AnswersOutOfOrder) {
  EXPECT_EQ(Complaint<Overtakes>(), "answers come out of order");
}

}  // namespace
}  // namespace serving::scheduler::simulation
