// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "metrics/latency_histogram.h"

#include <cstdint>
#include <limits>

#include "gtest/gtest.h"
#include "metrics/bounded_histogram.h"

namespace serving::metrics {
namespace {

using base::Nanoseconds;

size_t PlainBucketOf(uint64_t ns) {
  size_t bucket = 0;
  while (bucket < LatencyHistogram::kBoundsNs.size() && ns > LatencyHistogram::kBoundsNs[bucket]) {
    ++bucket;
  }
  return bucket;
}

TEST(LatencyHistogram, FindsTheBucketThatAPlainSearchFinds) {
  const auto check = [](uint64_t ns) {
    EXPECT_EQ(LatencyHistogram::BucketOf(Nanoseconds(static_cast<int64_t>(ns))), PlainBucketOf(ns))
        << ns;
  };
  for (const uint64_t bound : LatencyHistogram::kBoundsNs) {
    for (const int by : {-1, 0, 1}) check(bound + static_cast<uint64_t>(by));
  }
  for (int bit = 0; bit < 63; ++bit) {
    for (const int by : {-1, 0, 1}) check((uint64_t{1} << bit) + static_cast<uint64_t>(by));
  }
  check(static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
}

TEST(LatencyHistogram, ABoundBelongsToItsBucket) {
  LatencyHistogram histogram;
  histogram.Add(Nanoseconds(100'000));
  histogram.Add(Nanoseconds(100'001), 3);
  histogram.Add(Nanoseconds(-5));
  histogram.Add(std::chrono::hours(1));
  EXPECT_EQ(histogram.counts()[0], 2u);
  EXPECT_EQ(histogram.counts()[1], 3u);
  EXPECT_EQ(histogram.counts()[LatencyHistogram::kBuckets - 1], 1u);
}

TEST(BoundedHistogram, ABoundBelongsToItsBucket) {
  BoundedHistogram histogram({-1, 0, 2.5, 40});
  for (const uint64_t value : {0, 1, 2, 3, 40, 41}) histogram.Add(value);
  EXPECT_EQ(histogram.counts(), (std::vector<uint64_t>{0, 1, 2, 2, 1}));
  EXPECT_EQ(histogram.sum(), 87u);
}

TEST(BoundedHistogram, MayHaveNoBound) {
  BoundedHistogram histogram({});
  histogram.Add(7);
  EXPECT_EQ(histogram.counts(), (std::vector<uint64_t>{1}));
}

}  // namespace
}  // namespace serving::metrics
