// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "metrics/quantile_window.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace serving::metrics {
namespace {

using std::chrono::seconds;

const std::vector<double> kQuantiles = {0, 0.001, 0.1, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1};
constexpr base::Instant kStart = base::Instant(std::chrono::hours(100));

double Exact(std::vector<uint64_t> values, double quantile) {
  std::ranges::sort(values);
  const auto rank = static_cast<size_t>(std::ceil(quantile * static_cast<double>(values.size())));
  return static_cast<double>(values[std::max<size_t>(rank, 1) - 1]);
}

void ExpectClose(const std::vector<uint64_t>& values, const std::string& what) {
  QuantileWindow window;
  for (const uint64_t value : values) window.Add(value, kStart);
  const std::vector<double> estimates = window.Estimate(kQuantiles, kStart);
  ASSERT_EQ(estimates.size(), kQuantiles.size());
  for (size_t i = 0; i < kQuantiles.size(); ++i) {
    const double exact = Exact(values, kQuantiles[i]);
    EXPECT_LE(std::abs(estimates[i] - exact), exact / 64)
        << what << ", quantile " << kQuantiles[i] << ": " << estimates[i] << " for " << exact;
    if (exact < 128) {
      EXPECT_EQ(estimates[i], exact) << what << ", quantile " << kQuantiles[i];
    }
  }
}

TEST(QuantileWindow, StaysWithinItsErrorOfTheExactQuantiles) {
  std::mt19937_64 random(42);
  const auto draw = [&](auto distribution, int count) {
    std::vector<uint64_t> values;
    for (int i = 0; i < count; ++i) {
      values.push_back(static_cast<uint64_t>(std::clamp(distribution(random), 0.0, 4e9)));
    }
    return values;
  };
  ExpectClose(draw(std::uniform_real_distribution<>(0, 100), 5000), "below 128");
  ExpectClose(draw(std::uniform_real_distribution<>(0, 1e6), 20'000), "uniform");
  ExpectClose(draw(std::exponential_distribution<>(1e-4), 20'000), "exponential");
  ExpectClose(draw(std::lognormal_distribution<>(8, 2), 20'000), "log-normal");
  ExpectClose(draw(std::normal_distribution<>(1'000'000, 10), 20'000), "one narrow peak");
  std::vector<uint64_t> ascending;
  for (uint64_t i = 0; i < 30'000; ++i) ascending.push_back(i * i);
  ExpectClose(ascending, "ascending");
  std::ranges::reverse(ascending);
  ExpectClose(ascending, "descending");
  std::vector<uint64_t> powers;
  for (int bit = 0; bit < 32; ++bit) {
    for (const int64_t by : {-1, 0, 1}) powers.push_back(std::max<int64_t>((1ll << bit) + by, 0));
  }
  ExpectClose(powers, "around powers of two");
}

TEST(QuantileWindow, TakesTheNearestRankOfFewValues) {
  QuantileWindow window;
  window.Add(10, kStart);
  window.Add(20, kStart);
  const std::vector<double> quantiles = {0, 0.5, 0.51, 1};
  EXPECT_EQ(window.Estimate(quantiles, kStart), (std::vector<double>{10, 10, 20, 20}));
}

TEST(QuantileWindow, IsNoNumberWithoutValues) {
  QuantileWindow window;
  for (const double estimate : window.Estimate(kQuantiles, kStart)) {
    EXPECT_TRUE(std::isnan(estimate));
  }
}

TEST(QuantileWindow, CountsAValueAsOftenAsItIsSaid) {
  QuantileWindow window;
  window.Add(5, kStart, 99);
  window.Add(7, kStart);
  const std::vector<double> quantiles = {0.99, 1};
  EXPECT_EQ(window.Estimate(quantiles, kStart), (std::vector<double>{5, 7}));
}

TEST(QuantileWindow, ForgetsBetween48And60Seconds) {
  const std::vector<double> median = {0.5};
  for (int second = 0; second < 12; ++second) {
    QuantileWindow window;
    window.Add(1, kStart);  // begins a slice, wherever it lies
    const base::Instant added = kStart + seconds(second);
    window.Add(77, added, 1000);
    EXPECT_EQ(window.Estimate(median, added + seconds(48))[0], 77) << second;
    EXPECT_TRUE(std::isnan(window.Estimate(median, added + seconds(60))[0])) << second;
  }
}

TEST(QuantileWindow, SlidesFromOldToNewValues) {
  QuantileWindow window;
  const std::vector<double> median = {0.5};
  for (int second = 0; second < 300; ++second) {
    const base::Instant now = kStart + seconds(second);
    window.Add(second < 150 ? 10 : 20, now);
    const double expected = second < 150 ? 10 : second >= 210 ? 20 : -1;
    if (expected > 0) {
      EXPECT_EQ(window.Estimate(median, now)[0], expected) << second;
    }
  }
}

TEST(QuantileWindow, TimeThatStandsOrGoesBackIsHarmless) {
  QuantileWindow window;
  const std::vector<double> median = {0.5};
  window.Add(3, kStart + seconds(30));
  window.Add(3, kStart);
  EXPECT_EQ(window.Estimate(median, kStart - seconds(1000))[0], 3);
  EXPECT_TRUE(std::isnan(window.Estimate(median, kStart + std::chrono::hours(24 * 365))[0]));
}

TEST(QuantileWindow, HugeValuesCountAsTheLargestItKnows) {
  QuantileWindow window;
  window.Add(UINT64_MAX, kStart);
  const std::vector<double> median = {0.5};
  EXPECT_NEAR(window.Estimate(median, kStart)[0], 4294967295.0, 4294967295.0 / 64);
}

}  // namespace
}  // namespace serving::metrics
