// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "trace/sampler.h"

namespace serving::trace {

bool Sampler::Sample() {
  if (level_.is_off() || remaining() == 0) return false;
  const uint64_t number = seen_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (number % rate_ != 0) return false;
  int64_t left = remaining();
  while (left > 0 && !remaining_.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) {
  }
  return left != 0;
}

}  // namespace serving::trace
