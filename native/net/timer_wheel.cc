// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace serving::net {

TimerWheel::Slot::~Slot() {
  // Timers that outlive the wheel must not write into it.
  while (PopFront() != nullptr) {
  }
  next_ = previous_ = nullptr;
}

void TimerWheel::Slot::Append(Timer& timer) {
  timer.previous_ = previous_;
  timer.next_ = this;
  previous_->next_ = &timer;
  previous_ = &timer;
}

void TimerWheel::Slot::TakeAll(Slot& other) {
  if (other.empty()) return;
  next_ = other.next_;
  previous_ = other.previous_;
  next_->previous_ = this;
  previous_->next_ = this;
  other.next_ = other.previous_ = &other;
}

Timer* TimerWheel::Slot::PopFront() {
  if (empty()) return nullptr;
  Timer* const timer = next_;
  timer->Unlink();
  return timer;
}

TimerWheel::TimerWheel(base::Instant start) : start_(start) {}

uint64_t TimerWheel::TickAtOrAfter(base::Instant when) const {
  if (when <= start_) return 0;
  const uint64_t ns = static_cast<uint64_t>((when - start_).count());
  return (ns >> kTickShift) + ((ns & ((uint64_t{1} << kTickShift) - 1)) != 0 ? 1 : 0);
}

void TimerWheel::Arm(Timer& timer, base::Instant when) {
  timer.Unlink();
  if (when == base::kNever) return;
  timer.tick_ = std::max(TickAtOrAfter(when), current_ + 1);
  Insert(timer);
}

void TimerWheel::Insert(Timer& timer) {
  // Beyond the last level a timer waits in that level's farthest slot and is placed anew from
  // there.
  constexpr uint64_t kReach = (uint64_t{1} << (kSlotBits * kLevels)) - 1;
  const uint64_t delta = std::min(timer.tick_ - current_, kReach);
  const uint64_t tick = current_ + delta;
  const int level = delta == 0 ? 0 : (std::bit_width(delta) - 1) / kSlotBits;
  const uint64_t slot = (tick >> (kSlotBits * level)) % kSlots;
  slots_[level][slot].Append(timer);
  filled_[level] |= uint64_t{1} << slot;
}

void TimerWheel::ExpireSlot(Slot& slot) {
  // OnExpire may arm and cancel timers, those of this slot too: they unlink from the local ring.
  Slot due;
  due.TakeAll(slot);
  while (Timer* const timer = due.PopFront()) timer->OnExpire();
}

void TimerWheel::Cascade() {
  for (int level = 1; level < kLevels; ++level) {
    const uint64_t slot = (current_ >> (kSlotBits * level)) % kSlots;
    Slot moving;
    moving.TakeAll(slots_[level][slot]);
    filled_[level] &= ~(uint64_t{1} << slot);
    while (Timer* const timer = moving.PopFront()) Insert(*timer);
    if (slot != 0) return;
  }
}

void TimerWheel::Advance(base::Instant now) {
  if (now <= start_) return;
  const uint64_t target = static_cast<uint64_t>((now - start_).count()) >> kTickShift;
  while (true) {
    const uint64_t next = NextTick();
    if (next == 0 || next > target) break;
    current_ = next;
    if (current_ % kSlots == 0) Cascade();
    const uint64_t slot = current_ % kSlots;
    if ((filled_[0] >> slot & 1) != 0) {
      filled_[0] &= ~(uint64_t{1} << slot);
      ExpireSlot(slots_[0][slot]);
    }
  }
  current_ = std::max(current_, target);
}

uint64_t TimerWheel::SlotsToNext(int level) {
  const uint64_t here = (current_ >> (kSlotBits * level)) % kSlots;
  while (filled_[level] != 0) {
    // Rotated so that bit 0 is the slot behind the current one.
    const uint64_t ahead = std::rotr(filled_[level], static_cast<int>((here + 1) % kSlots));
    const uint64_t distance = static_cast<uint64_t>(std::countr_zero(ahead)) + 1;
    const uint64_t slot = (here + distance) % kSlots;
    if (!slots_[level][slot].empty()) return distance;
    filled_[level] &= ~(uint64_t{1} << slot);
  }
  return 0;
}

uint64_t TimerWheel::NextTick() {
  uint64_t next = 0;
  for (int level = 0; level < kLevels; ++level) {
    const uint64_t distance = SlotsToNext(level);
    if (distance == 0) continue;
    const int shift = kSlotBits * level;
    const uint64_t tick = ((current_ >> shift) + distance) << shift;
    if (next == 0 || tick < next) next = tick;
  }
  return next;
}

base::Instant TimerWheel::Next() {
  const uint64_t next = NextTick();
  if (next == 0) return base::kNever;
  return start_ + base::Nanoseconds(static_cast<int64_t>(next << kTickShift));
}

}  // namespace serving::net
