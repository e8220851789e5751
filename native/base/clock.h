// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>

namespace serving::base {

using Instant = std::chrono::steady_clock::time_point;
using Nanoseconds = std::chrono::nanoseconds;

inline constexpr Instant kNever = Instant::max();

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
