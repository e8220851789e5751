// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstdint>

namespace serving::base {

using Instant = std::chrono::steady_clock::time_point;
using Nanoseconds = std::chrono::nanoseconds;

inline constexpr Instant kNever = Instant::max();

// Milliseconds since the epoch: to be told to people, never to decide by.
inline uint64_t WallClockMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

// The one source of time for everything that decides. Threads: Now is callable from any.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant Now() const = 0;
};

class SteadyClock final : public Clock {
 public:
  Instant Now() const override { return std::chrono::steady_clock::now(); }
};

// Stands still until told: for tests and simulations.
class FakeClock final : public Clock {
 public:
  Instant Now() const override { return now_; }
  void Advance(Nanoseconds by) { now_ += by; }

 private:
  Instant now_{};
};

}  // namespace serving::base
