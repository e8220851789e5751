// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace serving::net {

// Something that happens later. Taken out of its wheel when destroyed.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  bool is_armed() const { return next_ != nullptr; }

 protected:
  virtual ~Timer() { Unlink(); }
  // The time has come; the timer is out of the wheel and may be armed again.
  virtual void OnExpire() = 0;

 private:
  friend class TimerWheel;
  void Unlink() {
    if (next_ == nullptr) return;
    previous_->next_ = next_;
    next_->previous_ = previous_;
    next_ = previous_ = nullptr;
  }

  Timer* previous_ = nullptr;
  Timer* next_ = nullptr;
  uint64_t tick_ = 0;
};

// Timers in a hierarchical wheel: arming and taking back cost the same however many there are. A
// tick is 2^18 ns (about 262 µs); a timer is never early and, if Advance is called in time, at most
// one tick late.
//
// Threads: one. Owns: nothing; timers link themselves in.
class TimerWheel {
 public:
  explicit TimerWheel(base::Instant start);
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // Arms `timer`, or moves it. A time that has passed expires at the next Advance that reaches
  // another tick; kNever takes it out.
  void Arm(Timer& timer, base::Instant when);
  void Cancel(Timer& timer) { timer.Unlink(); }
  // Expires everything due at `now`.
  void Advance(base::Instant now);
  // When Advance is wanted next: no timer expires before it. kNever when there is none.
  base::Instant Next();

 private:
  static constexpr int kLevels = 5;
  static constexpr int kSlotBits = 6;
  static constexpr uint64_t kSlots = 1 << kSlotBits;
  static constexpr int kTickShift = 18;

  // The head of one slot's ring; a ring is empty when it points at itself.
  struct Slot : Timer {
    Slot() { next_ = previous_ = this; }
    ~Slot() override;
    void OnExpire() override {}
    bool empty() const { return next_ == this; }
    void Append(Timer& timer);
    // Takes the whole ring of `other` into this empty one.
    void TakeAll(Slot& other);
    Timer* PopFront();
  };

  uint64_t TickAtOrAfter(base::Instant when) const;
  void Insert(Timer& timer);
  void Cascade();
  void ExpireSlot(Slot& slot);
  // Slots to walk from the current one of `level` to its next filled one; 0 when the level is
  // empty.
  uint64_t SlotsToNext(int level);
  // The next tick at which a slot is to be looked at: no timer is due before it. 0 when there is
  // none.
  uint64_t NextTick();

  base::Instant start_;
  uint64_t current_ = 0;
  // A bit per slot that may be filled: set on insertion, cleared when the slot is found empty.
  std::array<uint64_t, kLevels> filled_{};
  std::array<std::array<Slot, kSlots>, kLevels> slots_;
};

}  // namespace serving::net
