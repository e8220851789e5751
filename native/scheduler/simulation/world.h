// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "core/infer_request.h"
#include "core/model_plan.h"
#include "scheduler/priority_queue.h"
#include "scheduler/simulation/oracle.h"
#include "scheduler/simulation/subject.h"

namespace serving::scheduler::simulation {

// One model with a random configuration in a time of its own: requests of random rows, shapes,
// priorities, timeouts and deadlines arrive, some leave, instances run batches, and at the end the
// model is unloaded. The same seed gives the same life.
//
// What must hold: nobody waits while an instance is idle, but for max_queue_delay; everybody is
// answered once, with its own rows; the order is that of the levels, their delayed and their
// arrivals; where levels are classes, nobody is served before one who was of its class by the time
// it came, however urgent it is; answers come in order where that is promised; a batch holds one
// shape and no more than it may; limits are exact; nobody is dropped without a reason or runs after
// it.
class World final : private core::RequestHome {
 public:
  World(Subject& subject, uint64_t seed);
  ~World() override;

  // Lives for so many arrivals and then to the end. Returns the first thing that was wrong; empty
  // when nothing was.
  std::string Run(int arrivals);
  uint64_t events() const { return events_; }

 private:
  struct Client;
  struct Lease {
    base::Instant until = base::kNever;  // kNever = idle
    uint64_t number = 0;                 // of its batch, where the order is kept
    Batch batch;
  };
  enum class What : uint8_t { kCancelFlag, kLeave, kTimer };
  struct Departure {
    base::Instant at;
    uint64_t number;
    size_t client;
    What what;
    bool operator>(const Departure& other) const {
      return std::tie(at, number, what) > std::tie(other.at, other.number, other.what);
    }
  };

  void Recycle(core::InferRequest* request) override;
  int64_t Dice(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_() % static_cast<uint64_t>(high - low + 1));
  }
  bool Chance(int64_t one_in) { return Dice(1, one_in) == 1; }
  void Complain(const char* wrong) {
    if (wrong_.empty()) wrong_ = wrong;
  }
  core::QueuePolicy RandomPolicy();
  void MakePlan();

  Client& NewClient();
  void Arrive();
  void Plan(const Client& client, base::Instant at, What what);
  void Depart(const Departure& departure);
  void Drop(uint64_t level, Place place);
  void Dispatch();
  void CheckWait(const BatchDecision& decision);
  void CheckTurn(const Facts& sent);
  void Send(const BatchDecision& decision, Lease& lease);
  void Finish(Lease& lease);
  void Answer(const Batch& batch);
  void CheckEnd();

  Subject& subject_;
  std::mt19937_64 random_;
  base::Instant now_{std::chrono::hours(1)};
  core::ModelPlan plan_;
  int64_t shapes_ = 1;
  int64_t pace_us_ = 1;
  bool is_stopping_ = false;
  base::Instant look_again_ = base::kNever;
  std::string wrong_;
  uint64_t events_ = 0;
  uint64_t arrived_ = 0;
  uint64_t last_run_ = 0;  // the last answered of those that ran
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<size_t> free_clients_;
  std::priority_queue<Departure, std::vector<Departure>, std::greater<>> departures_;
  std::vector<Lease> leases_;
  std::vector<Oracle::Dropped> dropped_;
  std::unique_ptr<PriorityQueue> queue_;
  std::unique_ptr<AnswerOrder<Batch>> answer_order_;  // null unless the order is kept
  std::unique_ptr<Oracle> oracle_;
};

// What a life of many worlds came to.
struct Outcome {
  std::string wrong;  // empty = nothing
  uint64_t seed = 0;  // of the world in which it was
  uint64_t events = 0;
};

// Worlds one after another from `seed` on, until there were so many events or something was wrong.
// `progress` is told the events after each.
Outcome Simulate(Subject& subject, uint64_t seed, uint64_t events,
                 const std::function<void(uint64_t)>& progress = {});

}  // namespace serving::scheduler::simulation
