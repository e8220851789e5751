// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "metrics/quantile_window.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace serving::metrics {

QuantileWindow::QuantileWindow() : slices_(kSlices, Counts{}), sum_(kBuckets) {}

size_t QuantileWindow::IndexOf(uint64_t value) {
  const uint64_t v = std::min<uint64_t>(value, UINT32_MAX);
  if (v < kExact) return v;
  const auto exponent = static_cast<size_t>(std::bit_width(v)) - 1;  // 2^exponent <= v
  const size_t octave = exponent - kSubBits - 1;
  const auto sub = static_cast<size_t>(v >> (exponent - kSubBits)) - (size_t{1} << kSubBits);
  return kExact + (octave << kSubBits) + sub;
}

QuantileWindow::Bucket QuantileWindow::BucketAt(size_t index) {
  if (index < kExact) return {.lower = index, .width = 1};
  const size_t octave = (index - kExact) >> kSubBits;
  const uint64_t sub = (index - kExact) & ((size_t{1} << kSubBits) - 1);
  const uint64_t width = uint64_t{2} << octave;
  return {.lower = ((uint64_t{1} << kSubBits) + sub) * width, .width = width};
}

void QuantileWindow::Advance(base::Instant now) {
  if (now < slice_end_) return;
  const auto passed = static_cast<size_t>((now - slice_end_) / kSlice) + 1;
  for (size_t i = 0; i < std::min(passed, kSlices); ++i) {
    current_ = (current_ + 1) % kSlices;
    Counts& oldest = slices_[current_];
    for (size_t bucket = 0; bucket < kBuckets; ++bucket) {
      sum_[bucket] -= oldest[bucket];
      count_ -= oldest[bucket];
    }
    oldest.fill(0);
  }
  slice_end_ += kSlice * passed;
}

void QuantileWindow::Add(uint64_t value, base::Instant now, uint32_t times) {
  Advance(now);
  const size_t index = IndexOf(value);
  slices_[current_][index] += times;
  sum_[index] += times;
  count_ += times;
}

double QuantileWindow::EstimateRank(uint64_t rank) const {
  uint64_t before = 0;
  for (size_t index = 0; index < kBuckets; ++index) {
    const uint64_t here = sum_[index];
    if (before + here < rank) {
      before += here;
      continue;
    }
    const Bucket bucket = BucketAt(index);
    if (bucket.width == 1) return static_cast<double>(bucket.lower);
    // The values of a bucket are taken as spread evenly over it.
    const double share = (static_cast<double>(rank - before) - 0.5) / static_cast<double>(here);
    return std::floor(static_cast<double>(bucket.lower) +
                      share * static_cast<double>(bucket.width));
  }
  return std::numeric_limits<double>::quiet_NaN();
}

std::vector<double> QuantileWindow::Estimate(std::span<const double> quantiles, base::Instant now) {
  Advance(now);
  std::vector<double> estimates;
  for (const double quantile : quantiles) {
    const auto position = static_cast<uint64_t>(std::ceil(quantile * static_cast<double>(count_)));
    estimates.push_back(count_ == 0 ? std::numeric_limits<double>::quiet_NaN()
                                    : EstimateRank(std::clamp<uint64_t>(position, 1, count_)));
  }
  return estimates;
}

}  // namespace serving::metrics
