// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <algorithm>

#include "base/clock.h"

namespace serving::net {

// So many at once, and so many per second in the long run.
//
// Pure.
class RateLimit {
 public:
  RateLimit(double burst, double per_second, base::Instant now)
      : burst_(burst), per_second_(per_second), left_(burst), counted_(now) {}

  // One more. False when it is one too many.
  bool Take(base::Instant now) {
    const double seconds = std::chrono::duration<double>(now - counted_).count();
    counted_ = now;
    left_ = std::min(burst_, left_ + seconds * per_second_) - 1;
    return left_ >= 0;
  }
  // Makes room for `n` more, never over the burst.
  void Earn(double n) { left_ = std::min(burst_, left_ + n); }

 private:
  const double burst_;
  const double per_second_;
  double left_;
  base::Instant counted_;
};

}  // namespace serving::net
