// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>

#include "base/clock.h"

namespace serving::metrics {

struct Duration {
  uint64_t count = 0;
  uint64_t ns = 0;

  void Add(base::Nanoseconds time, uint64_t times = 1) {
    count += times;
    ns += static_cast<uint64_t>(time.count() < 0 ? 0 : time.count()) * times;
  }
};

}  // namespace serving::metrics
