// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/simulation/world.h"

#include <algorithm>
#include <utility>

namespace serving::scheduler::simulation {
namespace {

using base::Instant;
using std::chrono::microseconds;

constexpr int kArrivalsOfAWorld = 500;

class Sink final : public core::ResponseSink {
 public:
  core::InferResponse* NewResponse() override { return nullptr; }
  base::BufferRef AllocateOutput(uint32_t, size_t) override { return nullptr; }
  base::Waker* Send(core::InferResponse*) override { return nullptr; }
  void Reset() { ResetCancel(); }
};

}  // namespace

struct World::Client : core::InferRequest {
  base::Ref<Sink> answers_to = base::MakeRef<Sink>();
  Facts facts;
  size_t index = 0;
  int64_t first_row = 0;
  bool is_queued = false;
  int answers = 0;
};

World::World(Subject& subject, uint64_t seed) : subject_(subject), random_(seed) {
  MakePlan();
  queue_ = std::make_unique<PriorityQueue>(plan_.queue);
  oracle_ = std::make_unique<Oracle>(plan_.queue);
}

World::~World() = default;

void World::Recycle(core::InferRequest* request) {
  Client& client = *static_cast<Client*>(request);
  if (client.answers == 0) Complain("a request is let go without an answer");
  free_clients_.push_back(client.index);
}

core::QueuePolicy World::RandomPolicy() {
  core::QueuePolicy policy;
  if (Chance(2)) policy.max_queue_size = Dice(1, 20);
  if (Chance(2)) policy.default_timeout = microseconds(Dice(1, 3000));
  policy.allow_timeout_override = Chance(2);
  policy.delays_expired = Chance(2);
  return policy;
}

void World::MakePlan() {
  plan_.max_batch_size = Chance(8) ? 0 : Dice(1, 16);
  plan_.instance_count = static_cast<int32_t>(Dice(1, 3));
  if (!Chance(8)) {
    plan_.batching.emplace();
    plan_.batching->max_queue_delay = microseconds(Dice(0, 1) * Dice(1, 2000));
    for (int64_t size = 1; size <= plan_.max_batch_size; ++size) {
      if (Chance(4)) plan_.batching->preferred_batch_sizes.push_back(size);
    }
    plan_.batching->preserve_ordering = Chance(4);
  }
  static_cast<core::QueuePolicy&>(plan_.queue) = RandomPolicy();
  if (plan_.batching && plan_.batching->preserve_ordering) {
    plan_.queue.delays_expired = false;
  } else if (Chance(4)) {
    plan_.queue.classes = {.ageing = microseconds(Dice(1, 3000))};
    plan_.queue.priority_levels = kClasses;
    plan_.queue.default_priority_level = 2;
    plan_.queue.max_queue_size = 0;
    plan_.queue.delays_expired = false;
  } else if (Chance(2)) {
    plan_.queue.priority_levels = static_cast<uint64_t>(Dice(1, 4));
    plan_.queue.default_priority_level =
        static_cast<uint64_t>(Dice(1, static_cast<int64_t>(plan_.queue.priority_levels)));
    for (uint64_t level = 1; level <= plan_.queue.priority_levels; ++level) {
      if (Chance(2)) plan_.queue.level_policies[level] = RandomPolicy();
    }
  }
  shapes_ = Dice(1, 3);
  pace_us_ = Dice(20, 400);
  leases_.resize(static_cast<size_t>(plan_.instance_count));
  if (plan_.batching && plan_.batching->preserve_ordering)
    answer_order_ =
        std::make_unique<AnswerOrder<Batch>>(leases_.size() * static_cast<size_t>(Dice(1, 3)));
}

std::string World::Run(int arrivals) {
  Instant arrival = now_;
  while (wrong_.empty()) {
    // Everything that happens at this time, then what follows from it.
    while (!departures_.empty() && departures_.top().at <= now_) {
      const Departure departure = departures_.top();
      departures_.pop();
      Depart(departure);
    }
    for (Lease& lease : leases_) {
      if (lease.until <= now_) Finish(lease);
    }
    for (; arrivals > 0 && arrival <= now_; --arrivals) {
      Arrive();
      arrival += microseconds(Dice(0, 3) * Dice(0, pace_us_));
    }
    is_stopping_ = arrivals == 0;
    Dispatch();
    Instant next = arrivals > 0 ? arrival : base::kNever;
    if (!departures_.empty()) next = std::min(next, departures_.top().at);
    for (const Lease& lease : leases_) next = std::min(next, lease.until);
    next = std::min(next, std::exchange(look_again_, base::kNever));
    if (next == base::kNever) break;
    now_ = next;
  }
  if (wrong_.empty()) CheckEnd();
  const std::string wrong = wrong_;
  // What is left goes home before the clients do.
  for (const auto& client : clients_) client->answers = 1;
  leases_.clear();
  queue_.reset();
  return wrong;
}

World::Client& World::NewClient() {
  if (free_clients_.empty()) {
    clients_.push_back(std::make_unique<Client>());
    clients_.back()->index = clients_.size() - 1;
    free_clients_.push_back(clients_.size() - 1);
  }
  Client& client = *clients_[free_clients_.back()];
  free_clients_.pop_back();
  client.facts = {};
  client.answers_to->Reset();
  client.answers = 0;
  return client;
}

void World::Arrive() {
  ++events_;
  Client& client = NewClient();
  core::InferRequest& request = client;
  Facts& facts = client.facts;
  facts.number = ++arrived_;
  facts.rows = Chance(2) ? 1 : Dice(1, std::max<int64_t>(plan_.max_batch_size, 1));
  facts.shape = static_cast<uint64_t>(Dice(1, shapes_));
  facts.enqueued = now_;
  client.first_row = static_cast<int64_t>(facts.number) * 64;
  request.priority = static_cast<uint64_t>(Dice(0, 5));
  request.timeout_us = Chance(3) ? static_cast<uint64_t>(Dice(1, 3000)) : 0;
  request.deadline = Chance(6) ? now_ + microseconds(Dice(0, 3000)) : base::kNever;
  request.sink = client.answers_to;
  request.home = this;
  facts.deadline = request.deadline;
  facts.level = oracle_->LevelOf(request.priority);
  const core::QueuePolicy& policy = oracle_->PolicyOf(facts.level);
  if (policy.default_timeout.count() != 0) {
    base::Nanoseconds timeout = policy.default_timeout;
    if (policy.allow_timeout_override && request.timeout_us != 0)
      timeout = std::min<base::Nanoseconds>(timeout, microseconds(request.timeout_us));
    facts.timeout = now_ + timeout;
  }

  core::RequestPtr owned(&request);
  const uint64_t level = queue_->LevelOf(request.priority);
  if (level != facts.level) return Complain("a request waits in a level that is not its own");
  if (plan_.queue.classes) subject_.Age(*queue_, plan_.queue.classes->ageing, now_);
  oracle_->Age(now_);
  if (!subject_.Admits(*queue_, level)) Drop(level, queue_->FirstOf(level));
  const bool is_full = oracle_->IsFull(level);
  if (subject_.Admits(*queue_, level) == is_full) {
    client.answers = 1;
    return Complain(is_full ? "a full level takes one more" : "a level that is not full refuses");
  }
  if (is_full) {
    ++client.answers;
    return;
  }
  QueuedRequest queued{.rows = facts.rows,
                       .bytes = static_cast<uint64_t>(facts.rows) * 4,
                       .enqueued = now_,
                       .expires = ExpiresAt(queue_->PolicyOf(level), request, now_),
                       .shape_key = facts.shape};
  queued.request = std::move(owned);
  client.answers_to->SetQueuePlace(subject_.Push(*queue_, level, std::move(queued)));
  client.is_queued = true;
  oracle_->Push(&facts);
  if (Chance(10)) Plan(client, now_ + microseconds(Dice(0, 4000)), What::kCancelFlag);
  if (Chance(10)) Plan(client, now_ + microseconds(Dice(0, 4000)), What::kLeave);
  if (!policy.delays_expired && facts.timeout != base::kNever && Chance(2)) {
    Plan(client, facts.timeout + microseconds(Dice(0, 1) * Dice(0, 500)), What::kTimer);
  }
}

void World::Plan(const Client& client, Instant at, What what) {
  departures_.push({.at = at, .number = client.facts.number, .client = client.index, .what = what});
}

void World::Depart(const Departure& departure) {
  Client& client = *clients_[departure.client];
  if (client.facts.number != departure.number || client.answers != 0) return;
  ++events_;
  if (departure.what != What::kTimer) {
    client.answers_to->Cancel();
    client.facts.is_cancelled = true;
    if (departure.what == What::kCancelFlag) return;
  }
  const Place place = client.answers_to->queue_place();
  if (queue_->IsAt(place, client.answers_to.get()) != client.is_queued)
    return Complain("a request is not where its sink says");
  if (!client.is_queued) return;
  ++client.answers;
  client.is_queued = false;
  oracle_->Remove(&client.facts);
  if (subject_.Remove(*queue_, place).request.get() != &client)
    Complain("another request leaves the queue");
}

// Applies the policies from `place` on, which is the first of `level`.
void World::Drop(uint64_t level, Place place) {
  dropped_.clear();
  const int64_t rows = plan_.batching ? std::max<int64_t>(plan_.max_batch_size, 1) : 1;
  const auto expected = oracle_->ApplyPolicies(level, now_, rows);
  subject_.ApplyPolicies(*queue_, place, now_, rows, [&](QueuedRequest queued, DropReason reason) {
    Client& client = *static_cast<Client*>(queued.request.get());
    ++client.answers;
    client.is_queued = false;
    dropped_.push_back({client.facts.number, reason});
  });
  events_ += dropped_.size();
  if (dropped_ != expected) Complain("others are dropped than are cancelled or late");
}

void World::Dispatch() {
  while (wrong_.empty() && !queue_->empty()) {
    const auto idle = std::ranges::find(leases_, base::kNever, &Lease::until);
    if (idle == leases_.end() || (answer_order_ && answer_order_->IsFull())) return;
    Drop(0, queue_->First());
    if (!wrong_.empty() || queue_->empty()) return;
    BatchDecision decision = subject_.Decide(*queue_, now_, plan_);
    if (decision.send == 0) {
      CheckWait(decision);
      if (!is_stopping_) {
        look_again_ = decision.wait_until;
        return;
      }
      decision = subject_.Decide(*queue_, base::kNever, plan_);
    }
    Send(decision, *idle);
  }
}

// It may only wait for others that fit, and only for so long.
void World::CheckWait(const BatchDecision& decision) {
  ++events_;
  if (!plan_.batching) return Complain("it waits without batching");
  Instant latest = base::kNever;
  int64_t rows = 0;
  const auto& preferred = plan_.batching->preferred_batch_sizes;
  const auto& order = oracle_->Order();
  for (const Facts* facts : order) {
    if (facts->shape != order[0]->shape || facts->rows + rows > plan_.max_batch_size)
      return Complain("it waits though nothing could join the batch");
    rows += facts->rows;
    latest = std::min(latest, facts->enqueued + plan_.batching->max_queue_delay);
    if (std::ranges::find(preferred, rows) != preferred.end())
      return Complain("it waits with a preferred size");
  }
  if (rows >= plan_.max_batch_size) return Complain("it waits with a full batch");
  if (decision.wait_until == base::kNever)
    return Complain("an instance idles for ever while requests wait");
  if (decision.wait_until <= now_) return Complain("it waits for a time that is past");
  if (decision.wait_until > latest) return Complain("the oldest waits longer than the delay");
}

// Nobody who came before it and had aged to its class by then waits on: so everybody waits for a
// bounded number of others.
void World::CheckTurn(const Facts& sent) {
  if (!plan_.queue.classes) return;
  for (const Facts* waiting : oracle_->Order()) {
    const auto steps = (sent.enqueued - waiting->enqueued) / plan_.queue.classes->ageing;
    const bool is_of_its_class =
        static_cast<int64_t>(waiting->level) - steps <= static_cast<int64_t>(sent.level);
    if (waiting->number < sent.number && is_of_its_class)
      Complain("a request waits for one that came after its age");
  }
}

void World::Send(const BatchDecision& decision, Lease& lease) {
  ++events_;
  if (decision.send == 0) return Complain("the last requests of a model are not run");
  if (decision.send > queue_->size()) return Complain("more are sent than wait");
  const auto& order = oracle_->Order();
  const std::vector<const Facts*> expected(
      order.begin(), order.begin() + static_cast<std::ptrdiff_t>(decision.send));
  const size_t before = queue_->size();
  if (answer_order_) lease.number = answer_order_->Start();
  std::vector<QueuedRequest>& batch = lease.batch.requests;
  subject_.Take(*queue_, decision.send, batch);
  if (batch.size() != decision.send || queue_->size() + decision.send != before)
    return Complain("a batch is not what was decided");
  int64_t rows = 0;
  for (size_t i = 0; i < batch.size(); ++i) {
    Client& client = *static_cast<Client*>(batch[i].request.get());
    const Facts& facts = client.facts;
    oracle_->Remove(&facts);
    CheckTurn(facts);
    if (&facts != expected[i]) return Complain("a request runs before its turn");
    if (facts.is_cancelled) return Complain("a cancelled request runs");
    if (facts.deadline <= now_) return Complain("a request runs after its deadline");
    if (facts.timeout <= now_ && !oracle_->PolicyOf(facts.level).delays_expired)
      return Complain("a request runs after its timeout");
    if (facts.shape != expected[0]->shape) return Complain("two shapes share a batch");
    if (i > 0 && rows + facts.rows > plan_.max_batch_size)
      return Complain("a batch is over the limit");
    client.is_queued = false;
    for (int64_t row = 0; row < facts.rows; ++row)
      lease.batch.rows.push_back(client.first_row + row);
    rows += facts.rows;
  }
  if (rows != decision.rows) return Complain("the rows are counted wrong");
  if (!plan_.batching && batch.size() != 1) return Complain("it batches without batching");
  lease.until = now_ + microseconds(Dice(1, 600));
}

void World::Finish(Lease& lease) {
  ++events_;
  lease.until = base::kNever;
  Batch batch = std::exchange(lease.batch, {});
  if (!answer_order_) return Answer(batch);
  for (const Batch& due : subject_.Finish(*answer_order_, lease.number, std::move(batch)))
    Answer(due);
}

void World::Answer(const Batch& batch) {
  subject_.Deliver(batch.requests, [&](size_t i, int64_t offset, int64_t rows) {
    Client& client = *static_cast<Client*>(batch.requests[i].request.get());
    if (++client.answers != 1) return Complain("a request is answered twice");
    if (rows != client.facts.rows) return Complain("an answer has the rows of another");
    for (int64_t row = 0; row < rows; ++row) {
      if (batch.rows[static_cast<size_t>(offset + row)] != client.first_row + row)
        return Complain("an answer has the rows of another");
    }
    if (answer_order_ && client.facts.number < last_run_)
      return Complain("answers come out of order");
    last_run_ = client.facts.number;
  });
}

void World::CheckEnd() {
  if (!queue_->empty()) return Complain("requests wait for ever");
  if (queue_->rows() != 0 || queue_->bytes() != 0)
    return Complain("an empty queue says that it holds something");
  if (free_clients_.size() != clients_.size()) Complain("a request is lost");
}

Outcome Simulate(Subject& subject, uint64_t seed, uint64_t events,
                 const std::function<void(uint64_t)>& progress) {
  Outcome outcome{.wrong = {}, .seed = seed};
  while (outcome.events < events) {
    World world(subject, outcome.seed);
    outcome.wrong = world.Run(kArrivalsOfAWorld);
    outcome.events += world.events();
    if (!outcome.wrong.empty()) return outcome;
    if (progress) progress(outcome.events);
    ++outcome.seed;
  }
  return outcome;
}

}  // namespace serving::scheduler::simulation
