// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "metrics/response_counters.h"

#include <optional>
#include <vector>

#include "gtest/gtest.h"

namespace serving::metrics {
namespace {

using base::Nanoseconds;

constexpr base::Instant kStart = base::Instant(std::chrono::hours(1));
// Computed for 7 ns, put out for 3.
constexpr ResponseTimes kTimes = {
    .start = kStart, .output_start = kStart + Nanoseconds(7), .end = kStart + Nanoseconds(10)};

struct Row {
  ResponseOutcome outcome;
  uint64_t infer, output, success, fail, empty, cancel;  // ns
};

TEST(ResponseCounters, EveryOutcomeMovesItsOwnCounters) {
  for (const Row& row : {Row{ResponseOutcome::kSuccess, 7, 3, 10, 0, 0, 0},
                         Row{ResponseOutcome::kFail, 7, 3, 0, 10, 0, 0},
                         Row{ResponseOutcome::kEmpty, 0, 0, 0, 0, 10, 0},
                         Row{ResponseOutcome::kCancel, 0, 0, 0, 0, 0, 10}}) {
    const auto counters = base::MakeRef<ResponseCounters>(std::nullopt);
    counters->Count(1, row.outcome, kTimes, Nanoseconds(0));
    const auto statistics = counters->Statistics();
    ASSERT_EQ(statistics.size(), 2u);
    const ResponseStatistics& counted = statistics[1];
    const auto expect = [](const Duration& duration, uint64_t ns) {
      EXPECT_EQ(duration.ns, ns);
      EXPECT_EQ(duration.count, ns == 0 ? 0u : 1u);
    };
    expect(counted.compute_infer, row.infer);
    expect(counted.compute_output, row.output);
    expect(counted.success, row.success);
    expect(counted.fail, row.fail);
    expect(counted.empty_response, row.empty);
    expect(counted.cancel, row.cancel);
    EXPECT_EQ(statistics[0].success.count, 0u);
  }
}

TEST(ResponseCounters, OnlyTheFirstResponseIsInTheHistogram) {
  const auto counters = base::MakeRef<ResponseCounters>(std::vector<double>{1, 5});
  counters->Count(0, ResponseOutcome::kSuccess, kTimes, Nanoseconds(1'999'999));
  counters->Count(0, ResponseOutcome::kSuccess, kTimes, Nanoseconds(2'000'000));
  counters->Count(0, ResponseOutcome::kSuccess, kTimes, Nanoseconds(-2'000'000));
  counters->Count(1, ResponseOutcome::kSuccess, kTimes, Nanoseconds(4'000'000));
  const auto histogram = counters->FirstResponse();
  ASSERT_TRUE(histogram);
  EXPECT_EQ(histogram->counts(), (std::vector<uint64_t>{2, 1, 0}));
  EXPECT_EQ(histogram->sum(), 3u);
  EXPECT_FALSE(base::MakeRef<ResponseCounters>(std::nullopt)->FirstResponse());
}

TEST(ResponseCounters, AStreamOfMillionsFillsNoMemory) {
  const auto counters = base::MakeRef<ResponseCounters>(std::nullopt);
  for (size_t i = 0; i < ResponseCounters::kMaxIndexes + 10; ++i) {
    counters->Count(i, ResponseOutcome::kSuccess, kTimes, Nanoseconds(0));
  }
  counters->Count(SIZE_MAX, ResponseOutcome::kSuccess, kTimes, Nanoseconds(0));
  EXPECT_EQ(counters->Statistics().size(), ResponseCounters::kMaxIndexes);
}

}  // namespace
}  // namespace serving::metrics
