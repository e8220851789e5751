// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/sequences.h"

#include <algorithm>

namespace serving::scheduler {
namespace {

using base::Instant;

// Clients choose the numbers, so that neighbours must not meet.
size_t Mix(uint64_t number) {
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
  number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
  return static_cast<size_t>(number ^ (number >> 31));
}

}  // namespace

size_t Sequences::Hash::operator()(const KeyView& key) const {
  const auto* number = std::get_if<uint64_t>(&key);
  return number != nullptr ? Mix(*number)
                           : std::hash<std::string_view>()(std::get<std::string_view>(key));
}

size_t Sequences::Hash::operator()(const Key& key) const {
  const auto* number = std::get_if<uint64_t>(&key);
  return number != nullptr ? Mix(*number)
                           : std::hash<std::string_view>()(std::get<std::string>(key));
}

bool Sequences::Equal::operator()(const KeyView& a, const Key& b) const {
  if (const auto* number = std::get_if<uint64_t>(&a)) {
    const auto* other = std::get_if<uint64_t>(&b);
    return other != nullptr && *number == *other;
  }
  const auto* other = std::get_if<std::string>(&b);
  return other != nullptr && std::get<std::string_view>(a) == *other;
}

Sequences::Sequences(const SequenceRules& rules) : rules_(rules) { SetInstances(rules.instances); }

Sequences::~Sequences() {
  for (Sequence& sequence : sequences_) {
    while (!sequence.waiting.empty()) sequence.waiting.TakeFirst();
  }
}

// False for a request outside every sequence: 0 and the empty text are no ids.
bool Sequences::ToKey(const core::CorrelationId& id, KeyView& key) {
  if (const auto* number = std::get_if<uint64_t>(&id)) {
    key = *number;
    return *number != 0;
  }
  const auto* text = std::get_if<std::string_view>(&id);
  if (text == nullptr || text->empty()) return false;
  key = *text;
  return true;
}

Sequences::List* Sequences::ListOf(State state) {
  switch (state) {
    case State::kBacklog:
      return &backlog_;
    case State::kReady:
      return &ready_;
    case State::kIdle:
      return &idle_;
    default:
      return nullptr;
  }
}

void Sequences::Move(SequenceIndex index, State state) {
  Sequence& sequence = sequences_[index];
  if (List* list = ListOf(sequence.state)) {
    (sequence.previous == kNoSequence ? list->first : sequences_[sequence.previous].next) =
        sequence.next;
    (sequence.next == kNoSequence ? list->last : sequences_[sequence.next].previous) =
        sequence.previous;
  }
  sequence.state = state;
  List* list = ListOf(state);
  if (list == nullptr) return;
  sequence.previous = list->last;
  sequence.next = kNoSequence;
  (list->last == kNoSequence ? list->first : sequences_[list->last].next) = index;
  list->last = index;
}

SequenceIndex Sequences::Make() {
  if (unused_.empty()) {
    sequences_.emplace_back();
    return static_cast<SequenceIndex>(sequences_.size() - 1);
  }
  const SequenceIndex index = unused_.back();
  unused_.pop_back();
  return index;
}

void Sequences::Forget(Sequence& sequence) {
  if (!sequence.is_known) return;
  names_.erase(names_.find(*sequence.name));
  sequence.is_known = false;
}

bool Sequences::TakeSlot(SequencePlace& place) {
  while (!free_slots_.empty()) {
    std::ranges::pop_heap(free_slots_, std::greater<>());
    const FreePlace free = free_slots_.back();
    free_slots_.pop_back();
    if (!GetsSequences(free.instance)) {
      kept_slots_.push_back(free);
      continue;
    }
    uint32_t& untouched = instances_[free.instance].untouched;
    if (free.slot == untouched && ++untouched < rules_.slots) {
      free_slots_.push_back({.slot = untouched, .instance = free.instance});
      std::ranges::push_heap(free_slots_, std::greater<>());
    }
    place = {.instance = free.instance, .slot = free.slot};
    return true;
  }
  return false;
}

void Sequences::FreeSlot(FreePlace place) {
  if (!GetsSequences(place.instance)) return kept_slots_.push_back(place);
  free_slots_.push_back(place);
  std::ranges::push_heap(free_slots_, std::greater<>());
  FillSlots();
}

void Sequences::FillSlots() {
  SequencePlace place;
  while (backlog_.first != kNoSequence && TakeSlot(place)) {
    const SequenceIndex next = backlog_.first;
    DropExpiry(next);
    --backlog_count_;
    GiveSlot(next, place);
    Move(next, State::kReady);
  }
}

void Sequences::OfferKeptSlots() {
  std::vector<FreePlace> places = std::exchange(kept_slots_, {});
  for (const FreePlace place : places) {
    if (!GetsSequences(place.instance)) {
      kept_slots_.push_back(place);
      continue;
    }
    free_slots_.push_back(place);
    std::ranges::push_heap(free_slots_, std::greater<>());
  }
  FillSlots();
}

void Sequences::SetInstances(uint32_t count) {
  rules_.instances = count;
  while (instances_.size() < count) {
    kept_slots_.push_back({.slot = 0, .instance = static_cast<uint32_t>(instances_.size())});
    instances_.emplace_back();
  }
  OfferKeptSlots();
}

void Sequences::SetCountsBytes(bool counts_bytes) {
  if (rules_.counts_bytes == counts_bytes) return;
  rules_.counts_bytes = counts_bytes;
  waiting_bytes_ = 0;
  for (const Sequence& sequence : sequences_) {
    for (const core::InferRequest* request = sequence.waiting.first; request != nullptr;
         request = request->next) {
      waiting_bytes_ += BytesOf(*request);
    }
  }
}

void Sequences::Park(uint32_t instance) { instances_[instance].is_parked = true; }

void Sequences::Unpark(uint32_t instance) {
  if (!std::exchange(instances_[instance].is_parked, false)) return;
  OfferKeptSlots();
}

core::RequestChain Sequences::EndAll() {
  core::RequestChain lost;
  for (SequenceIndex index = 0; index < sequences_.size(); ++index) {
    if (sequences_[index].state == State::kUnused) continue;
    core::RequestChain chain = End(index);
    lost.Append(chain);
  }
  return lost;
}

void Sequences::GiveSlot(SequenceIndex index, SequencePlace place) {
  sequences_[index].place = place;
  Instance& instance = instances_[place.instance];
  if (instance.slots.size() <= place.slot) instance.slots.resize(place.slot + 1, kNoSequence);
  instance.slots[place.slot] = index;
  ++instance.active;
  ++active_;
}

SequenceIndex Sequences::At(SequencePlace place) const {
  if (place.slot >= SlotsOf(place.instance)) return kNoSequence;
  return instances_[place.instance].slots[place.slot];
}

Sequences::Added Sequences::Add(core::RequestPtr& request, Instant now) {
  KeyView key;
  const bool has_id = ToKey(request->correlation_id, key);
  SequenceIndex index = kNoSequence;
  if (!has_id && !rules_.is_iterative) return {.refusal = Refusal::kNoCorrelationId};
  if (!rules_.is_iterative) {
    const auto found = names_.find(key);
    if (found != names_.end()) index = found->second;
  }
  if (has_id && index == kNoSequence && !request->sequence_start)
    return {.refusal = Refusal::kMustStart};
  const bool is_last = rules_.is_iterative || request->sequence_end;
  const bool is_new = index == kNoSequence;
  if (is_new) {
    index = Make();
    if (!is_last) {
      Sequence& sequence = sequences_[index];
      const auto* text = std::get_if<std::string_view>(&key);
      Key name = text == nullptr ? Key(std::get<uint64_t>(key)) : Key(std::string(*text));
      sequence.name = &names_.emplace(std::move(name), index).first->first;
      sequence.is_known = true;
    }
    SequencePlace place;
    if (TakeSlot(place)) {
      GiveSlot(index, place);
      sequences_[index].state = State::kRunning;  // until it has its request
    } else {
      Move(index, State::kBacklog);
      ++backlog_count_;
    }
  } else if (is_last) {
    Forget(sequences_[index]);
  }
  Sequence& sequence = sequences_[index];
  if (sequence.state == State::kBacklog) {
    Instant expires = std::min(sequence.expires, request->deadline);
    if (request->timeout_us != 0) {
      constexpr uint64_t kLongest = uint64_t{1} << 50;  // µs; the clock's range is longer
      expires = std::min(expires,
                         now + std::chrono::microseconds(std::min(request->timeout_us, kLongest)));
    }
    if (expires < sequence.expires) {
      DropExpiry(index);
      sequence.expires = expires;
      expiries_.emplace(expires, index);
    }
  }
  waiting_bytes_ += BytesOf(*request);
  sequence.waiting.Append(std::move(request));
  ++waiting_;
  if (sequence.state != State::kBacklog && !sequence.is_running &&
      sequence.state != State::kReady) {
    Move(index, State::kReady);
  }
  return {.sequence = index, .is_new = is_new};
}

const core::InferRequest* Sequences::Next(SequenceIndex sequence) const {
  const Sequence& found = sequences_[sequence];
  return found.state == State::kReady ? found.waiting.first : nullptr;
}

core::RequestPtr Sequences::Take(SequenceIndex index) {
  Sequence& sequence = sequences_[index];
  Move(index, State::kRunning);
  sequence.is_running = true;
  --waiting_;
  waiting_bytes_ -= BytesOf(*sequence.waiting.first);
  return sequence.waiting.TakeFirst();
}

void Sequences::Finish(SequenceIndex index, Instant now) {
  sequences_[index].is_running = false;
  Settle(index, now);
}

void Sequences::Return(SequenceIndex index, core::RequestPtr request) {
  Sequence& sequence = sequences_[index];
  sequence.is_running = false;
  waiting_bytes_ += BytesOf(*request);
  sequence.waiting.Prepend(std::move(request));
  ++waiting_;
  Move(index, State::kReady);
}

void Sequences::Settle(SequenceIndex index, Instant now) {
  Sequence& sequence = sequences_[index];
  if (!sequence.waiting.empty()) return Move(index, State::kReady);
  if (!sequence.is_known || is_closed_) return Release(index);
  sequence.idle_since = now;
  Move(index, State::kIdle);
}

void Sequences::DropExpiry(SequenceIndex index) {
  Sequence& sequence = sequences_[index];
  if (sequence.expires == base::kNever) return;
  expiries_.erase({sequence.expires, index});
  sequence.expires = base::kNever;
}

void Sequences::Release(SequenceIndex index) {
  Sequence& sequence = sequences_[index];
  const bool has_slot = sequence.state != State::kBacklog;
  const SequencePlace place = sequence.place;
  Forget(sequence);
  DropExpiry(index);
  Move(index, State::kUnused);
  if (when_over) when_over(index);
  unused_.push_back(index);
  if (!has_slot) {
    --backlog_count_;
    return;
  }
  --active_;
  --instances_[place.instance].active;
  instances_[place.instance].slots[place.slot] = kNoSequence;
  FreeSlot({.slot = place.slot, .instance = place.instance});
}

core::RequestChain Sequences::End(SequenceIndex index) {
  Sequence& sequence = sequences_[index];
  core::RequestChain lost = std::exchange(sequence.waiting, {});
  for (const core::InferRequest* request = lost.first; request != nullptr;
       request = request->next) {
    --waiting_;
    waiting_bytes_ -= BytesOf(*request);
  }
  Forget(sequence);
  if (!sequence.is_running) Release(index);
  return lost;
}

core::RequestChain Sequences::Expire(Instant now) {
  core::RequestChain lost;
  // First, so that a slot that comes free is not given to who is out of time.
  while (!expiries_.empty() && expiries_.begin()->first <= now) {
    core::RequestChain chain = End(expiries_.begin()->second);
    lost.Append(chain);
  }
  while (idle_.first != kNoSequence &&
         sequences_[idle_.first].idle_since + rules_.max_idle <= now) {
    Release(idle_.first);
  }
  return lost;
}

Instant Sequences::NextExpiry() const {
  Instant next = base::kNever;
  if (idle_.first != kNoSequence) next = sequences_[idle_.first].idle_since + rules_.max_idle;
  if (!expiries_.empty()) next = std::min(next, expiries_.begin()->first);
  return next;
}

void Sequences::Close() {
  is_closed_ = true;
  while (idle_.first != kNoSequence) Release(idle_.first);
}

}  // namespace serving::scheduler
