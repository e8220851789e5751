// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/simulation/sequence_world.h"

#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace serving::scheduler::simulation {
namespace {

constexpr uint64_t kSeed = 1;

TEST(SequenceSimulation, HoldsForAMillionEvents) {
  SequenceSubject subject;
  const Outcome outcome = SimulateSequences(subject, kSeed, 1'000'000);
  EXPECT_EQ(outcome.wrong, "") << "seed " << outcome.seed;
  EXPECT_GE(outcome.events, 1'000'000u);
}

TEST(SequenceSimulation, IsTheSameForTheSameSeed) {
  SequenceSubject subject;
  EXPECT_EQ(SimulateSequences(subject, 5, 50'000).events,
            SimulateSequences(subject, 5, 50'000).events);
}

// Planted bugs: each must be found, and called what it is.

template <typename Mutant>
std::string Complaint() {
  Mutant mutant;
  return SimulateSequences(mutant, kSeed, 300'000).wrong;
}

struct NeedsNoStart : SequenceSubject {
  Sequences::Added Add(Sequences& sequences, core::RequestPtr& request,
                       base::Instant now) override {
    request->sequence_start = true;
    return sequences.Add(request, now);
  }
};
TEST(PlantedSequenceBug, TakesWhatDoesNotStart) {
  EXPECT_EQ(Complaint<NeedsNoStart>(), "a request is refused wrongly or taken wrongly");
}

struct ForgetsTheEnd : SequenceSubject {
  Sequences::Added Add(Sequences& sequences, core::RequestPtr& request,
                       base::Instant now) override {
    request->sequence_end = false;
    return sequences.Add(request, now);
  }
};
TEST(PlantedSequenceBug, KeepsTheSlotAfterTheEnd) { EXPECT_NE(Complaint<ForgetsTheEnd>(), ""); }

struct FinishesEarly : SequenceSubject {
  core::RequestPtr Take(Sequences& sequences, SequenceIndex index) override {
    core::RequestPtr request = sequences.Take(index);
    if (sequences.FirstWaiting(index) != nullptr) sequences.Finish(index, base::Instant{});
    return request;
  }
};
TEST(PlantedSequenceBug, RunsTwoOfASequence) { EXPECT_NE(Complaint<FinishesEarly>(), ""); }

struct Reorders : SequenceSubject {
  core::RequestPtr Take(Sequences& sequences, SequenceIndex index) override {
    core::RequestPtr first = sequences.Take(index);
    if (sequences.FirstWaiting(index) == nullptr) return first;
    sequences.Finish(index, base::Instant{});
    core::RequestPtr second = sequences.Take(index);
    sequences.Return(index, std::move(first));
    // It is running again, with the second.
    return second;
  }
};
TEST(PlantedSequenceBug, RunsTheSecondBeforeTheFirst) {
  EXPECT_EQ(Complaint<Reorders>(), "a request runs before its turn");
}

struct Starves : SequenceSubject {
  SequenceIndex FirstReady(Sequences& sequences) override {
    const SequenceIndex first = sequences.FirstReady();
    return first == 0 ? kNoSequence : first;
  }
};
TEST(PlantedSequenceBug, LetsOneWaitForEver) {
  EXPECT_EQ(Complaint<Starves>(), "a request that may run waits");
}

struct LosesWhatIsReturned : SequenceSubject {
  void Return(Sequences& sequences, SequenceIndex index, core::RequestPtr request) override {
    sequences.Finish(index, base::Instant{});
    request.reset();
  }
};
TEST(PlantedSequenceBug, ForgetsWhatIsReturned) { EXPECT_NE(Complaint<LosesWhatIsReturned>(), ""); }

struct KeepsWhatIsLost : SequenceSubject {
  core::RequestChain End(Sequences&, SequenceIndex) override { return {}; }
};
TEST(PlantedSequenceBug, GoesOnAfterARequestIsLost) {
  EXPECT_EQ(Complaint<KeepsWhatIsLost>(), "a request of a lost sequence stays");
}

struct NeverLooks : SequenceSubject {
  base::Instant NextExpiry(const Sequences&) override { return base::kNever; }
};
TEST(PlantedSequenceBug, KeepsIdleSequences) { EXPECT_NE(Complaint<NeverLooks>(), ""); }

struct EndsEarly : SequenceSubject {
  core::RequestChain Expire(Sequences& sequences, base::Instant now) override {
    return sequences.Expire(now + std::chrono::microseconds(50));
  }
};
TEST(PlantedSequenceBug, EndsSequencesBeforeTheirTime) { EXPECT_NE(Complaint<EndsEarly>(), ""); }

struct RefreshesTheDead : SequenceSubject {
  void Finish(Sequences& sequences, SequenceIndex index, base::Instant now) override {
    sequences.Finish(index, now + std::chrono::milliseconds(1));
  }
};
TEST(PlantedSequenceBug, CountsIdleTimeFromLater) { EXPECT_NE(Complaint<RefreshesTheDead>(), ""); }

struct OffersWhatLeaves : SequenceSubject {
  void SetInstances(Sequences& sequences, uint32_t count) override {
    if (count >= sequences.instances()) sequences.SetInstances(count);
  }
};
TEST(PlantedSequenceBug, GivesSequencesToAnInstanceThatLeaves) {
  EXPECT_EQ(Complaint<OffersWhatLeaves>(), "an instance that leaves gets a sequence");
}

struct AddsNothing : SequenceSubject {
  void SetInstances(Sequences& sequences, uint32_t count) override {
    if (count <= sequences.instances()) sequences.SetInstances(count);
  }
};
TEST(PlantedSequenceBug, LetsTheBacklogWaitBesideANewInstance) {
  EXPECT_NE(Complaint<AddsNothing>(), "");
}

struct DestroysTooEarly : SequenceSubject {
  bool IsDrained(const Sequences& sequences, uint32_t instance) override {
    for (uint32_t slot = 0; slot < sequences.SlotsOf(instance); ++slot) {
      const SequenceIndex index = sequences.At({.instance = instance, .slot = slot});
      if (index != kNoSequence && sequences.Next(index) != nullptr) return false;
    }
    return true;
  }
};
TEST(PlantedSequenceBug, DestroysAnInstanceUnderItsSequences) {
  EXPECT_EQ(Complaint<DestroysTooEarly>(), "an instance that left is destroyed too early or never");
}

struct KeepsTheFirstLimit : SequenceSubject {
  void SetMaxIdle(Sequences&, base::Nanoseconds) override {}
};
TEST(PlantedSequenceBug, KeepsTheTimeThatSequencesMayBeIdle) {
  EXPECT_NE(Complaint<KeepsTheFirstLimit>(), "");
}

}  // namespace
}  // namespace serving::scheduler::simulation
