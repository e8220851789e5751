// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace serving::metrics {

// Counts durations by fixed bounds, 1-2.5-5 from 100 µs to 10 s. Not thread-safe: its model's lock
// guards it. The sum is kept elsewhere.
class LatencyHistogram {
 public:
  static constexpr std::array<uint64_t, 16> kBoundsNs = {
      100'000,       250'000,       500'000,       1'000'000,     2'500'000,   5'000'000,
      10'000'000,    25'000'000,    50'000'000,    100'000'000,   250'000'000, 500'000'000,
      1'000'000'000, 2'500'000'000, 5'000'000'000, 10'000'000'000};
  static constexpr size_t kBuckets = kBoundsNs.size() + 1;

  void Add(base::Nanoseconds time, uint64_t times = 1) { counts_[BucketOf(time)] += times; }

  // By bound, the last one for what is longer than every bound; not cumulative.
  const std::array<uint64_t, kBuckets>& counts() const { return counts_; }

  // The first bucket whose bound the time does not pass; negative times count as 0.
  static size_t BucketOf(base::Nanoseconds time) {
    const auto ns = static_cast<uint64_t>(time.count() < 0 ? 0 : time.count());
    size_t bucket = kFirstByWidth[static_cast<size_t>(std::bit_width(ns))];
    while (bucket < kBoundsNs.size() && ns > kBoundsNs[bucket]) ++bucket;
    return bucket;
  }

 private:
  // By number of bits: the first bound that a number of that width may lie under. No octave holds
  // more than one bound, so that the search takes one step or none.
  static constexpr std::array<uint8_t, 65> kFirstByWidth = [] {
    std::array<uint8_t, 65> first{};
    for (size_t width = 1; width <= 64; ++width) {
      const uint64_t smallest = uint64_t{1} << (width - 1);
      uint8_t bucket = 0;
      while (bucket < kBoundsNs.size() && smallest > kBoundsNs[bucket]) ++bucket;
      first[width] = bucket;
    }
    return first;
  }();

  std::array<uint64_t, kBuckets> counts_{};
};

}  // namespace serving::metrics
