// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "core/infer_request.h"
#include "scheduler/sequences.h"
#include "scheduler/simulation/world.h"

namespace serving::scheduler::simulation {

// The steps of a scheduler of sequences, as a model takes them. Tests plant bugs by overriding one.
class SequenceSubject {
 public:
  virtual ~SequenceSubject() = default;

  virtual Sequences::Added Add(Sequences& sequences, core::RequestPtr& request, base::Instant now) {
    return sequences.Add(request, now);
  }
  virtual SequenceIndex FirstReady(Sequences& sequences) { return sequences.FirstReady(); }
  virtual core::RequestPtr Take(Sequences& sequences, SequenceIndex index) {
    return sequences.Take(index);
  }
  virtual void Finish(Sequences& sequences, SequenceIndex index, base::Instant now) {
    sequences.Finish(index, now);
  }
  virtual void Return(Sequences& sequences, SequenceIndex index, core::RequestPtr request) {
    sequences.Return(index, std::move(request));
  }
  virtual core::RequestChain End(Sequences& sequences, SequenceIndex index) {
    return sequences.End(index);
  }
  virtual core::RequestChain Expire(Sequences& sequences, base::Instant now) {
    return sequences.Expire(now);
  }
  virtual base::Instant NextExpiry(const Sequences& sequences) { return sequences.NextExpiry(); }
  virtual void SetInstances(Sequences& sequences, uint32_t count) { sequences.SetInstances(count); }
  virtual void SetMaxIdle(Sequences& sequences, base::Nanoseconds max_idle) {
    sequences.SetMaxIdle(max_idle);
  }
  // An instance that left may be destroyed.
  virtual bool IsDrained(const Sequences& sequences, uint32_t instance) {
    return sequences.ActiveAt(instance) == 0;
  }
};

// A model of sequences in a time of its own: requests of a few sequences arrive, begin, end, leave,
// run out of time in the backlog, run again; instances come and go, and the time that a sequence
// may be idle changes; at the end the model is unloaded. The same seed gives the same life.
//
// What must hold: a sequence's requests run in the order of arrival, one at a time, each once (or
// as often as it is returned) and none after its sequence was lost; a slot has one sequence; who
// waits for a slot gets it in turn, at once when one is free; who may run does; idle sequences and
// timeouts end neither early nor late; an instance that leaves keeps its sequences, gets no others
// and is said to be empty when it is; everybody is answered once.
class SequenceWorld final {
 public:
  SequenceWorld(SequenceSubject& subject, uint64_t seed);
  ~SequenceWorld();

  // As World::Run.
  std::string Run(int arrivals);
  uint64_t events() const { return events_; }

 private:
  static constexpr uint32_t kNoInstance = UINT32_MAX;

  // A request as the world knows it.
  struct Fact {
    uint64_t number = 0;
    int answers = 0;
    bool is_returned = false;
  };
  // A sequence, written without a thought for time.
  struct Life {
    uint64_t id = 0;
    SequenceIndex index = kNoSequence;
    std::list<uint64_t> waiting;
    base::Instant expires = base::kNever;  // in the backlog
    base::Instant idle_since = base::kNever;
    bool has_slot = false;
    uint32_t instance = kNoInstance;  // of its slot, once it was looked at
    bool is_known = true;
    uint64_t running = 0;  // number of a request; 0 = none
  };
  struct Flight {
    base::Instant until;
    Life* life;
    core::InferRequest* request;
  };
  struct Leave {
    base::Instant at;
    uint64_t number;
    bool operator>(const Leave& other) const {
      return std::tie(at, number) > std::tie(other.at, other.number);
    }
  };

  int64_t Dice(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_() % static_cast<uint64_t>(high - low + 1));
  }
  bool Chance(int64_t one_in) { return Dice(1, one_in) == 1; }
  void Complain(const char* wrong) {
    if (wrong_.empty()) wrong_ = wrong;
  }

  std::string Abandon(const char* wrong);
  void Arrive();
  void DoLeave(uint64_t number);
  void Expire();
  void Dispatch();
  void TakeOne(SequenceIndex index);
  void FinishDue();
  void Answer(core::RequestPtr request);
  void AnswerLost(core::RequestChain chain, Life& life);
  // The sequence has nothing in flight: what it is now.
  void Settle(Life& life);
  void Over(Life& life);
  void Change();
  // Of a step that loses nothing.
  void AnswerNobody(core::RequestChain chain);
  // Who waits gets what is free.
  void FillSlots();
  // Notes who was given a slot where.
  void LookAtPlaces();
  int64_t ServedBy(uint32_t instance) const;
  Life* FindKnown(uint64_t id);
  Life* FindIndex(SequenceIndex index);
  void CheckSlots();
  void CheckEnd();

  SequenceSubject& subject_;
  std::mt19937_64 random_;
  base::Instant now_{std::chrono::hours(1)};
  SequenceRules rules_;
  uint32_t most_instances_ = 1;  // that there ever were
  bool is_direct_ = false;
  int64_t pace_us_ = 1;
  bool is_closed_ = false;
  std::string wrong_;
  uint64_t events_ = 0;
  uint64_t arrived_ = 0;
  std::map<uint64_t, Fact> facts_;
  std::map<core::InferRequest*, uint64_t> numbers_;
  std::list<Life> lives_;
  std::list<Life*> backlog_;
  std::vector<Flight> flights_;
  std::priority_queue<Leave, std::vector<Leave>, std::greater<>> leaves_;
  std::unique_ptr<Sequences> sequences_;
};

// As Simulate of world.h.
Outcome SimulateSequences(SequenceSubject& subject, uint64_t seed, uint64_t events,
                          const std::function<void(uint64_t)>& progress = {});

}  // namespace serving::scheduler::simulation
