// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "net/timer_wheel.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <random>
#include <vector>

namespace serving::net {
namespace {

using base::Instant;
using base::Nanoseconds;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Nanoseconds kTick{1 << 18};

class Alarm final : public Timer {
 public:
  explicit Alarm(std::function<void()> ring = [] {}) : ring_(std::move(ring)) {}
  int rings = 0;

 private:
  void OnExpire() override {
    ++rings;
    ring_();
  }
  std::function<void()> ring_;
};

class TimerWheelTest : public testing::Test {
 protected:
  // Advances as a loop does: from one wanted moment to the next.
  void RunTo(Instant end) {
    while (true) {
      const Instant next = wheel.Next();
      if (next == base::kNever || next > end) break;
      ASSERT_GT(next, now);
      now = next;
      wheel.Advance(now);
      ++wakes;
    }
    now = end;
    wheel.Advance(now);
  }

  const Instant start = Instant(seconds(1000));
  Instant now = start;
  TimerWheel wheel{start};
  int wakes = 0;
};

TEST_F(TimerWheelTest, IsNeverEarlyAndAtMostOneTickLate) {
  for (const Nanoseconds delay :
       {Nanoseconds(1), Nanoseconds(kTick), kTick * 63, kTick * 64, kTick * 65, kTick * 4095,
        kTick * 4096, kTick * 4097, Nanoseconds(milliseconds(1)), Nanoseconds(milliseconds(999)),
        Nanoseconds(seconds(30)), Nanoseconds(hours(1)), Nanoseconds(hours(70))}) {
    for (const Nanoseconds offset : {Nanoseconds(0), kTick * 3, kTick * 63, kTick * 4095}) {
      RunTo(now + offset);
      Instant rung;
      Alarm alarm([&] { rung = now; });
      const Instant due = now + delay;
      wheel.Arm(alarm, due);
      while (alarm.rings == 0) {
        ASSERT_NE(wheel.Next(), base::kNever);
        now = std::max(now, wheel.Next());
        wheel.Advance(now);
      }
      EXPECT_GE(rung, due) << delay.count();
      EXPECT_LE(rung, due + kTick) << delay.count();
      EXPECT_EQ(wheel.Next(), base::kNever);
    }
  }
}

TEST_F(TimerWheelTest, ReachesBeyondItsLastLevel) {
  Alarm alarm;
  wheel.Arm(alarm, start + hours(24 * 30));
  RunTo(start + hours(24 * 30) - seconds(1));
  EXPECT_EQ(alarm.rings, 0);
  RunTo(start + hours(24 * 30) + seconds(1));
  EXPECT_EQ(alarm.rings, 1);
  EXPECT_LT(wakes, 64);
}

TEST_F(TimerWheelTest, PastTimesExpireAtTheNextTick) {
  RunTo(start + seconds(5));
  Alarm alarm;
  wheel.Arm(alarm, start);
  wheel.Advance(now);
  EXPECT_EQ(alarm.rings, 0);
  wheel.Advance(now + 2 * kTick);
  EXPECT_EQ(alarm.rings, 1);
}

TEST_F(TimerWheelTest, CancelledAndMovedTimersDoNotRingAtTheOldTime) {
  Alarm cancelled;
  Alarm moved;
  Alarm taken_back;
  wheel.Arm(cancelled, start + milliseconds(5));
  wheel.Arm(moved, start + milliseconds(5));
  wheel.Arm(taken_back, start + milliseconds(5));
  wheel.Cancel(cancelled);
  wheel.Arm(moved, start + seconds(9));
  wheel.Arm(taken_back, base::kNever);
  EXPECT_FALSE(taken_back.is_armed());
  RunTo(start + seconds(8));
  EXPECT_EQ(cancelled.rings + moved.rings + taken_back.rings, 0);
  RunTo(start + seconds(10));
  EXPECT_EQ(moved.rings, 1);
}

TEST_F(TimerWheelTest, TimersMayArmAndCancelOthersWhenTheyRing) {
  Alarm victim;
  Alarm later;
  Alarm first([&] {
    wheel.Cancel(victim);
    wheel.Arm(later, now);
  });
  wheel.Arm(first, start + milliseconds(3));
  wheel.Arm(victim, start + milliseconds(3));
  RunTo(start + milliseconds(10));
  EXPECT_EQ(first.rings, 1);
  EXPECT_EQ(victim.rings, 0);
  EXPECT_EQ(later.rings, 1);
}

TEST_F(TimerWheelTest, DestroyedTimersLeaveTheWheel) {
  auto alarm = std::make_unique<Alarm>();
  wheel.Arm(*alarm, start + milliseconds(1));
  alarm.reset();
  EXPECT_EQ(wheel.Next(), base::kNever);
  wheel.Advance(start + seconds(1));
}

TEST_F(TimerWheelTest, AgreesWithASortedListOnRandomTimers) {
  std::mt19937_64 random(1);
  std::vector<std::unique_ptr<Alarm>> alarms;
  std::vector<Instant> due;
  std::vector<Instant> rung;
  for (size_t i = 0; i < 3000; ++i) {
    const auto bits = static_cast<int>(random() % 40);
    due.push_back(start + Nanoseconds(static_cast<int64_t>(random() >> (63 - bits))));
    rung.push_back(base::kNever);
    alarms.push_back(std::make_unique<Alarm>([this, i, &rung] { rung[i] = now; }));
    wheel.Arm(*alarms.back(), due.back());
  }
  RunTo(start + hours(2));
  for (size_t i = 0; i < due.size(); ++i) {
    ASSERT_EQ(alarms[i]->rings, 1) << i;
    EXPECT_GE(rung[i], due[i]);
    EXPECT_LE(rung[i], due[i] + kTick);
  }
}

}  // namespace
}  // namespace serving::net
