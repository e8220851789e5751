// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/simulation/sequence_world.h"

#include <algorithm>
#include <utility>

namespace serving::scheduler::simulation {
namespace {

using base::Instant;
using std::chrono::microseconds;

constexpr int kArrivalsOfAWorld = 500;
constexpr int64_t kIds = 12;
constexpr int64_t kMostInstances = 4;
constexpr int64_t kMostIdleUs = 3000;
// Time moves on by a little where nothing else moves it.
constexpr std::chrono::nanoseconds kSlack(100);

}  // namespace

SequenceWorld::SequenceWorld(SequenceSubject& subject, uint64_t seed)
    : subject_(subject), random_(seed) {
  rules_.instances = static_cast<uint32_t>(Dice(1, 3));
  rules_.slots = static_cast<uint32_t>(Dice(1, 4));
  rules_.max_idle = microseconds(Dice(1, kMostIdleUs));
  rules_.is_iterative = Chance(5);
  is_direct_ = Chance(2);
  pace_us_ = Dice(20, 400);
  most_instances_ = rules_.instances;
  sequences_ = std::make_unique<Sequences>(rules_);
}

SequenceWorld::~SequenceWorld() = default;

std::string SequenceWorld::Run(int arrivals) {
  Instant arrival = now_;
  while (wrong_.empty()) {
    // What is due now; a client that leaves does so before its request may run.
    FinishDue();
    Expire();
    if (Chance(20)) Change();
    while (!leaves_.empty() && leaves_.top().at <= now_) {
      const uint64_t number = leaves_.top().number;
      leaves_.pop();
      DoLeave(number);
    }
    for (; arrivals > 0 && arrival <= now_; --arrivals) {
      Arrive();
      arrival += microseconds(Dice(0, 3) * Dice(0, pace_us_));
    }
    if (arrivals == 0 && !is_closed_) {
      is_closed_ = true;
      sequences_->Close();
      for (auto life = lives_.begin(); life != lives_.end();) {
        Life& one = *life++;
        if (one.has_slot && one.running == 0 && one.waiting.empty()) Over(one);
      }
      LookAtPlaces();
    }
    Dispatch();
    CheckSlots();
    Instant next = arrivals > 0 ? arrival : base::kNever;
    if (!leaves_.empty()) next = std::min(next, leaves_.top().at);
    for (const Flight& flight : flights_) next = std::min(next, flight.until);
    const Instant look = subject_.NextExpiry(*sequences_);
    if (look <= now_) return Abandon("it looks again for what is past");
    next = std::min(next, look);
    if (next == base::kNever) break;
    // A client that leaves at once leaves a moment later.
    now_ = std::max(next, now_ + std::chrono::nanoseconds(1));
  }
  if (wrong_.empty()) CheckEnd();
  return Abandon("");
}

std::string SequenceWorld::Abandon(const char* wrong) {
  Complain(wrong);
  for (const Flight& flight : flights_) delete flight.request;
  flights_.clear();
  return wrong_;
}

SequenceWorld::Life* SequenceWorld::FindKnown(uint64_t id) {
  for (Life& life : lives_) {
    if (life.id == id && life.is_known) return &life;
  }
  return nullptr;
}

SequenceWorld::Life* SequenceWorld::FindIndex(SequenceIndex index) {
  for (Life& life : lives_) {
    if (life.index == index) return &life;
  }
  return nullptr;
}

void SequenceWorld::Arrive() {
  ++events_;
  static const std::string kTexts[kIds] = {"1", "2", "3", "4",  "5",  "6",
                                           "7", "8", "9", "10", "11", "12"};
  core::RequestPtr request(new core::InferRequest);
  core::InferRequest* const raw = request.get();
  const uint64_t number = ++arrived_;
  const auto id = static_cast<uint64_t>(Dice(0, kIds));
  const bool is_text = Chance(4);
  if (id != 0) {
    if (is_text) {
      request->correlation_id = std::string_view(kTexts[id - 1]);
    } else {
      request->correlation_id = id;
    }
  }
  const uint64_t key = id == 0 ? 0 : id + (is_text ? 100 : 0);
  Life* known = rules_.is_iterative || key == 0 ? nullptr : FindKnown(key);
  request->sequence_start = known == nullptr ? !Chance(6) : Chance(10);
  request->sequence_end = Chance(5);
  if (Chance(3)) request->timeout_us = static_cast<uint64_t>(Dice(1, 3000));
  const Instant expires =
      request->timeout_us == 0 ? base::kNever : now_ + microseconds(request->timeout_us);
  auto expected = Sequences::Refusal::kNone;
  if (key == 0 && !rules_.is_iterative) {
    expected = Sequences::Refusal::kNoCorrelationId;
  } else if (key != 0 && known == nullptr && !request->sequence_start) {
    expected = Sequences::Refusal::kMustStart;
  }
  const bool is_last = rules_.is_iterative || request->sequence_end;
  const Sequences::Added added = subject_.Add(*sequences_, request, now_);
  if (added.refusal != expected) return Complain("a request is refused wrongly or taken wrongly");
  if (added.refusal != Sequences::Refusal::kNone) return;
  facts_[number].number = number;
  numbers_[raw] = number;
  if (known == nullptr) {
    Life& life = lives_.emplace_back();
    life.id = key;
    life.index = added.sequence;
    known = &life;
    backlog_.push_back(&life);
    FillSlots();
  }
  if (added.sequence != known->index) return Complain("a request is in another sequence");
  if (!known->has_slot) known->expires = std::min(known->expires, expires);
  known->waiting.push_back(number);
  known->idle_since = base::kNever;
  LookAtPlaces();
  if (is_last) known->is_known = false;
  if (Chance(8)) leaves_.push({now_ + microseconds(Dice(0, 2000)), number});
}

void SequenceWorld::Answer(core::RequestPtr request) {
  Fact& fact = facts_[numbers_[request.get()]];
  numbers_.erase(request.get());
  if (++fact.answers != 1) Complain("a request is answered twice");
}

void SequenceWorld::AnswerLost(core::RequestChain chain, Life& life) {
  while (!chain.empty()) {
    core::RequestPtr request = chain.TakeFirst();
    if (life.waiting.empty() || numbers_[request.get()] != life.waiting.front())
      Complain("a sequence loses other requests than its own");
    if (!life.waiting.empty()) life.waiting.pop_front();
    Answer(std::move(request));
  }
  if (!life.waiting.empty()) Complain("a request of a lost sequence stays");
}

void SequenceWorld::Over(Life& life) {
  backlog_.remove(&life);
  lives_.remove_if([&](const Life& other) { return &other == &life; });
  FillSlots();
}

int64_t SequenceWorld::ServedBy(uint32_t instance) const {
  return std::ranges::count(lives_, instance, &Life::instance);
}

void SequenceWorld::FillSlots() {
  int64_t free = -std::ranges::count_if(
      lives_, [](const Life& life) { return life.has_slot && life.instance == kNoInstance; });
  for (uint32_t i = 0; i < rules_.instances; ++i) free += rules_.slots - ServedBy(i);
  for (; free > 0 && !backlog_.empty(); --free) {
    Life& next = *backlog_.front();
    backlog_.pop_front();
    next.has_slot = true;
    next.expires = base::kNever;
  }
}

void SequenceWorld::LookAtPlaces() {
  for (Life& life : lives_) {
    if (!life.has_slot || life.instance != kNoInstance) continue;
    life.instance = sequences_->PlaceOf(life.index).instance;
    if (life.instance >= rules_.instances) Complain("an instance that leaves gets a sequence");
  }
}

void SequenceWorld::AnswerNobody(core::RequestChain chain) {
  if (!chain.empty()) Complain("one is out of time before its time");
  while (!chain.empty()) chain.TakeFirst();
}

void SequenceWorld::Change() {
  ++events_;
  if (Chance(2)) {
    rules_.max_idle = microseconds(Dice(1, kMostIdleUs));
    subject_.SetMaxIdle(*sequences_, rules_.max_idle);
    // Its model looks at once; who was idle for too long by the new rule has not been so before.
    AnswerNobody(subject_.Expire(*sequences_, now_));
    for (auto life = lives_.begin(); life != lives_.end();) {
      Life& one = *life++;
      if (one.idle_since != base::kNever && one.idle_since + rules_.max_idle <= now_) Over(one);
    }
  } else {
    rules_.instances = static_cast<uint32_t>(Dice(1, kMostInstances));
    most_instances_ = std::max(most_instances_, rules_.instances);
    FillSlots();
    subject_.SetInstances(*sequences_, rules_.instances);
  }
  LookAtPlaces();
}

void SequenceWorld::Settle(Life& life) {
  if (!life.waiting.empty()) return;
  if (!life.is_known || is_closed_) return Over(life);
  life.idle_since = now_;
}

void SequenceWorld::DoLeave(uint64_t number) {
  for (Life& life : lives_) {
    if (std::ranges::find(life.waiting, number) == life.waiting.end()) continue;
    ++events_;
    life.is_known = false;
    AnswerLost(subject_.End(*sequences_, life.index), life);
    if (life.running == 0) Over(life);
    return LookAtPlaces();
  }
}

void SequenceWorld::Expire() {
  core::RequestChain lost = subject_.Expire(*sequences_, now_);
  for (;;) {
    Life* due = nullptr;
    for (Life* life : backlog_) {
      if (life->expires <= now_ && (due == nullptr || life->expires < due->expires)) due = life;
    }
    if (due == nullptr) break;
    ++events_;
    if (due->expires + kSlack < now_) return Complain("a timeout in the backlog is late");
    while (!due->waiting.empty()) {
      if (lost.empty()) return Complain("a timeout in the backlog is late");
      core::RequestPtr request = lost.TakeFirst();
      const uint64_t number = numbers_[request.get()];
      // Several that are due at once come in any order.
      const auto owner = std::ranges::find_if(backlog_, [&](const Life* life) {
        return life->expires <= now_ && !life->waiting.empty() && life->waiting.front() == number;
      });
      if (owner == backlog_.end()) return Complain("one is out of time before its time");
      (*owner)->waiting.pop_front();
      Answer(std::move(request));
    }
    Over(*due);
  }
  AnswerNobody(lost);
  if (!wrong_.empty()) return;
  for (auto life = lives_.begin(); life != lives_.end();) {
    Life& one = *life++;
    if (one.idle_since == base::kNever || one.idle_since + rules_.max_idle > now_) continue;
    if (one.idle_since + rules_.max_idle + kSlack < now_)
      return Complain("an idle sequence keeps its slot too long");
    ++events_;
    Over(one);
  }
  LookAtPlaces();
}

void SequenceWorld::TakeOne(SequenceIndex index) {
  Life* life = FindIndex(index);
  if (life == nullptr || !life->has_slot) return Complain("a sequence without a slot runs");
  if (life->running != 0) return Complain("two requests of a sequence run at once");
  core::RequestPtr request = subject_.Take(*sequences_, index);
  const uint64_t number = numbers_[request.get()];
  Fact& fact = facts_[number];
  const bool is_next = !life->waiting.empty() && life->waiting.front() == number;
  if (fact.answers != 0 || !is_next) {
    flights_.push_back({base::kNever, nullptr, request.release()});
    return Complain("a request runs before its turn");
  }
  life->waiting.pop_front();
  life->running = number;
  flights_.push_back({now_ + microseconds(Dice(1, 600)), life, request.release()});
}

void SequenceWorld::Dispatch() {
  if (is_direct_) {
    for (uint32_t i = 0; i < most_instances_ && wrong_.empty(); ++i) {
      const bool is_busy = std::ranges::any_of(flights_, [&](const Flight& flight) {
        return flight.life != nullptr && sequences_->PlaceOf(flight.life->index).instance == i;
      });
      if (is_busy) continue;
      for (uint32_t slot = 0; slot < sequences_->SlotsOf(i) && wrong_.empty(); ++slot) {
        const SequenceIndex index = sequences_->At({.instance = i, .slot = slot});
        if (index != kNoSequence && sequences_->Next(index) != nullptr) TakeOne(index);
      }
    }
  } else {
    while (wrong_.empty()) {
      const SequenceIndex index = subject_.FirstReady(*sequences_);
      if (index == kNoSequence) break;
      TakeOne(index);
    }
  }
  if (!wrong_.empty()) return;
  for (const Life& life : lives_) {
    if (!life.has_slot || life.running != 0 || life.waiting.empty()) continue;
    const bool is_busy = is_direct_ && std::ranges::any_of(flights_, [&](const Flight& flight) {
                           return sequences_->PlaceOf(flight.life->index).instance ==
                                  sequences_->PlaceOf(life.index).instance;
                         });
    if (!is_busy) return Complain("a request that may run waits");
  }
}

void SequenceWorld::FinishDue() {
  for (size_t i = 0; i < flights_.size() && wrong_.empty();) {
    if (flights_[i].until > now_) {
      ++i;
      continue;
    }
    ++events_;
    const Flight flight = flights_[i];
    flights_.erase(flights_.begin() + static_cast<std::ptrdiff_t>(i));
    core::RequestPtr request(flight.request);
    Life& life = *flight.life;
    life.running = 0;
    if (rules_.is_iterative && Chance(3)) {
      life.waiting.push_front(numbers_[flight.request]);
      subject_.Return(*sequences_, life.index, std::move(request));
      continue;
    }
    Answer(std::move(request));
    const SequenceIndex index = life.index;
    Settle(life);
    subject_.Finish(*sequences_, index, now_);
    LookAtPlaces();
  }
}

// Both have the same sequences in slots, no slot has two, and none is free while somebody waits;
// what left is empty when nobody is there.
void SequenceWorld::CheckSlots() {
  if (!wrong_.empty()) return;
  std::map<uint64_t, SequenceIndex> taken;
  uint64_t with_slots = 0;
  uint64_t waiting = 0;
  for (const Life& life : lives_) {
    waiting += life.waiting.size();
    if (!life.has_slot) continue;
    ++with_slots;
    const SequencePlace place = sequences_->PlaceOf(life.index);
    if (place.instance != life.instance || place.slot >= rules_.slots)
      return Complain("a slot that does not exist is used");
    if (!taken.emplace((uint64_t{place.slot} << 32) | place.instance, life.index).second)
      return Complain("two sequences share a slot");
    if (sequences_->At(place) != life.index)
      return Complain("a sequence is not in the slot that it has");
  }
  for (uint32_t i = rules_.instances; i < most_instances_; ++i) {
    if (subject_.IsDrained(*sequences_, i) != (ServedBy(i) == 0))
      return Complain("an instance that left is destroyed too early or never");
  }
  if (sequences_->active() != with_slots) return Complain("a slot is lost");
  if (sequences_->backlog() != backlog_.size()) return Complain("the backlog is counted wrong");
  if (sequences_->waiting() != waiting) return Complain("what waits is counted wrong");
}

void SequenceWorld::CheckEnd() {
  if (!lives_.empty()) return Complain("a sequence waits for ever");
  if (sequences_->waiting() != 0 || sequences_->active() != 0 || sequences_->backlog() != 0)
    return Complain("a sequence stays behind");
  for (const auto& [number, fact] : facts_) {
    if (fact.answers != 1) return Complain("a request is not answered");
  }
}

Outcome SimulateSequences(SequenceSubject& subject, uint64_t seed, uint64_t events,
                          const std::function<void(uint64_t)>& progress) {
  Outcome outcome{.wrong = {}, .seed = seed};
  while (outcome.events < events) {
    SequenceWorld world(subject, outcome.seed);
    outcome.wrong = world.Run(kArrivalsOfAWorld);
    outcome.events += world.events();
    if (!outcome.wrong.empty()) return outcome;
    if (progress) progress(outcome.events);
    ++outcome.seed;
  }
  return outcome;
}

}  // namespace serving::scheduler::simulation
