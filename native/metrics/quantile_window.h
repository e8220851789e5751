// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/clock.h"

namespace serving::metrics {

// Quantiles of the last 48 to 60 seconds: five slices of 12 s, as Triton's summaries keep them.
//
// Values are counted in buckets, 64 to each power of two, so that an estimate is within 1/64 of the
// exact value (of the same rank) and exact below 128, whatever was added; values of 2^32 and more
// count as 2^32 - 1. 41 KiB however much is added, no allocation after the constructor, and adding
// is an index and two increments.
//
// Pure: no clock. Not thread-safe.
class QuantileWindow {
 public:
  QuantileWindow();

  void Add(uint64_t value, base::Instant now, uint32_t times = 1);

  // For each quantile (0 … 1) the value of that rank, the nearest one; all NaN when nothing was
  // added lately.
  std::vector<double> Estimate(std::span<const double> quantiles, base::Instant now);

  static constexpr base::Nanoseconds kSlice = std::chrono::seconds(12);
  static constexpr size_t kSlices = 5;

 private:
  static constexpr int kSubBits = 6;  // 2^6 buckets to a power of two
  static constexpr size_t kExact = size_t{2} << kSubBits;
  static constexpr size_t kBuckets = kExact + (size_t{32 - kSubBits - 1} << kSubBits);
  using Counts = std::array<uint32_t, kBuckets>;

  struct Bucket {
    uint64_t lower;
    uint64_t width;
  };
  static size_t IndexOf(uint64_t value);
  static Bucket BucketAt(size_t index);
  void Advance(base::Instant now);
  double EstimateRank(uint64_t rank) const;

  std::vector<Counts> slices_;
  std::vector<uint32_t> sum_;  // of the slices
  uint64_t count_ = 0;         // in the window
  size_t current_ = 0;
  base::Instant slice_end_{};
};

}  // namespace serving::metrics
