// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/latency_target.h"

#include <algorithm>
#include <optional>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "scheduler/batch_policy.h"

namespace serving::scheduler {
namespace {

using base::Instant;
using base::Nanoseconds;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kStart{std::chrono::hours(1)};
constexpr int64_t kMaxRows = 32;

// What a batch takes: 4 ms and a quarter for each row.
Nanoseconds CostOf(int64_t rows) { return microseconds(4000 + 250 * rows); }

CostCurve Known() {
  CostCurve costs(kMaxRows);
  for (const int64_t rows : {1, 2, 3, 4, 6, 8, 12, 16, 24, 32}) costs.Add(rows, CostOf(rows));
  return costs;
}

BatchChoice Choose(double rate, LatencyLimits limits) {
  limits.max_rows = kMaxRows;
  return ChooseBatch(Known(), rate, limits);
}

TEST(ArrivalRate, FollowsWhatComes) {
  ArrivalRate rate;
  EXPECT_EQ(rate.At(kStart), 0);
  Instant now = kStart;
  for (int i = 0; i < 3000; ++i) rate.Add(2, now += milliseconds(1));
  EXPECT_NEAR(rate.At(now), 2000, 20);
  EXPECT_LT(rate.At(now + seconds(3)), 10);
}

TEST(LatencyTarget, ChoosesNothingBeforeItKnows) {
  CostCurve costs(kMaxRows);
  for (int i = 0; i < 7; ++i) costs.Add(1, CostOf(1));
  const auto choice = ChooseBatch(costs, 1000, {.target = seconds(1), .max_rows = kMaxRows});
  EXPECT_EQ(choice.reason, ChoiceReason::kUnknown);
  EXPECT_EQ(choice.max_rows, kMaxRows);
  EXPECT_EQ(choice.wait.count(), 0);
}

TEST(LatencyTarget, WaitsForNothingWhileSingleRowsKeepUp) {
  const auto choice = Choose(100, {.target = milliseconds(50)});
  EXPECT_EQ(choice.reason, ChoiceReason::kKeepsUp);
  EXPECT_EQ(choice.wait.count(), 0);
}

TEST(LatencyTarget, WaitsForTheSmallestBatchThatKeepsUp) {
  // 1000 rows a second: 8 rows take 6 ms, three quarters of the time; 6 take 5.5 of 6 ms.
  const auto choice = Choose(1000, {.target = milliseconds(50)});
  EXPECT_EQ(choice.reason, ChoiceReason::kWaits);
  EXPECT_EQ(choice.wanted_rows, 8);
  EXPECT_EQ(choice.wait, milliseconds(7));
  EXPECT_EQ(choice.max_rows, kMaxRows);  // two runs of 12 ms fit
}

TEST(LatencyTarget, CountsInstances) {
  EXPECT_EQ(Choose(1000, {.target = milliseconds(50), .instances = 3}).wanted_rows, 2);
}

TEST(LatencyTarget, WaitsNoLongerThanTheTargetAllows) {
  EXPECT_EQ(Choose(1000, {.target = milliseconds(14)}).wait, milliseconds(2));
  const auto choice = Choose(1000, {.target = milliseconds(12)});
  EXPECT_EQ(choice.reason, ChoiceReason::kNoTime);
  EXPECT_EQ(choice.wait.count(), 0);
  EXPECT_EQ(choice.max_rows, 8);
}

TEST(LatencyTarget, WaitsNoLongerThanTheConfigurationAllows) {
  EXPECT_EQ(Choose(1000, {.target = milliseconds(50), .max_wait = milliseconds(3)}).wait,
            milliseconds(3));
}

TEST(LatencyTarget, MakesBatchesNoLargerThanTheTargetAllows) {
  EXPECT_EQ(Choose(100, {.target = milliseconds(10)}).max_rows,
            4);  // 5 ms; 6 rows take 5.5 as well
  EXPECT_EQ(Choose(100, {.target = milliseconds(1)}).max_rows, 1);
}

TEST(LatencyTarget, KeepsUpBeforeItKeepsTheTarget) {
  const auto choice = Choose(1000, {.target = milliseconds(1)});
  EXPECT_EQ(choice.max_rows, 8);
  EXPECT_EQ(Choose(1e6, {.target = milliseconds(1)}).max_rows, kMaxRows);
  EXPECT_EQ(Choose(1e6, {.target = milliseconds(1)}).reason, ChoiceReason::kOverloaded);
}

TEST(LatencyTarget, WaitsOnlyForPreferredSizes) {
  const std::vector<int64_t> preferred = {10, 20};
  const auto choice = Choose(1000, {.target = milliseconds(50), .preferred = preferred});
  EXPECT_EQ(choice.wanted_rows, 10);
}

TEST(LatencyTarget, TakesAnyLimit) {
  CostCurve costs(INT32_MAX);
  for (int i = 0; i < 8; ++i) costs.Add(1, microseconds(1));
  const auto choice =
      ChooseBatch(costs, 1e12, {.target = milliseconds(1), .max_rows = INT32_MAX, .instances = 0});
  EXPECT_EQ(choice.reason, ChoiceReason::kOverloaded);
}

// ---- One instance in a time of its own, with requests of one row that come at random.

struct Life {
  double rate = 0;  // answers in a second
  Nanoseconds median{0};
};

class SilentSink final : public core::ResponseSink {
 public:
  core::InferResponse* NewResponse() override { return nullptr; }
  base::BufferRef AllocateOutput(uint32_t, size_t) override { return nullptr; }
  base::Waker* Send(core::InferResponse*) override { return nullptr; }
};

// `fixed`: the batch and the wait of a configuration; else they follow a target.
Life Live(double rate, std::optional<BatchChoice> fixed, Nanoseconds target = milliseconds(60)) {
  constexpr auto kLong = seconds(20);
  core::ModelPlan plan;
  plan.batching.emplace();
  PriorityQueue queue(plan.queue);
  CostCurve costs(kMaxRows);
  ArrivalRate arrivals;
  std::mt19937_64 random(7);
  std::exponential_distribution<double> gap(rate);
  const auto next_gap = [&] { return Nanoseconds(static_cast<int64_t>(gap(random) * 1e9)); };
  const auto sink = base::MakeRef<SilentSink>();
  std::vector<Nanoseconds> latencies;
  Instant now = kStart;
  Instant arrival = now + next_gap();
  while (now < kStart + kLong) {
    const BatchChoice choice =
        fixed ? *fixed
              : ChooseBatch(costs, arrivals.At(now), {.target = target, .max_rows = kMaxRows});
    plan.max_batch_size = choice.max_rows;
    plan.batching->max_queue_delay = choice.wait;
    plan.batching->enough_rows = choice.wanted_rows;
    const BatchDecision decision = NextBatch(queue, now, plan);
    if (decision.send == 0) {
      now = std::min(arrival, decision.wait_until);
    } else {
      const Nanoseconds took = CostOf(decision.rows);
      for (size_t i = 0; i < decision.send; ++i) {
        latencies.push_back(now + took - queue.PopFront().enqueued);
      }
      costs.Add(decision.rows, took);
      now += took;
    }
    for (; arrival <= now; arrival += next_gap()) {
      QueuedRequest queued{.rows = 1, .enqueued = arrival};
      queued.request = core::RequestPtr(new core::InferRequest);
      queued.request->sink = sink;
      queue.Push(0, std::move(queued));
      arrivals.Add(1, arrival);
    }
  }
  std::ranges::sort(latencies);
  return {.rate = static_cast<double>(latencies.size()) / 20,
          .median = latencies[latencies.size() / 2]};
}

BatchChoice Fixed(int64_t rows, Nanoseconds wait) {
  return {.max_rows = kMaxRows, .wanted_rows = rows, .wait = wait};
}

double BestFixed(double rate) {
  double best = 0;
  for (const int64_t rows : {1, 8, 16, 32}) {
    for (const auto wait : {milliseconds(0), milliseconds(2), milliseconds(10)}) {
      best = std::max(best, Live(rate, Fixed(rows, wait)).rate);
    }
  }
  return best;
}

// Rows that batches of the largest size serve in a second.
double Capacity() { return kMaxRows / std::chrono::duration<double>(CostOf(kMaxRows)).count(); }

TEST(LatencyTarget, ServesAsMuchAsTheBestFixedSetting) {
  for (const double load : {0.5, 0.9}) {
    const double rate = load * Capacity();
    EXPECT_GE(Live(rate, std::nullopt).rate, 0.95 * BestFixed(rate)) << load;
  }
}

TEST(LatencyTarget, IsAsQuickAsWithoutBatchesAtLowLoad) {
  // A tenth of what single rows could be served.
  const double rate = 0.1 / std::chrono::duration<double>(CostOf(1)).count();
  const auto unbatched = Live(rate, BatchChoice{.max_rows = 1}).median;
  EXPECT_LE(Live(rate, std::nullopt).median.count(), unbatched.count() * 105 / 100);
}

TEST(LatencyTarget, KeepsTheTargetWhereItCan) {
  EXPECT_LE(Live(0.5 * Capacity(), std::nullopt, milliseconds(40)).median, milliseconds(40));
}

}  // namespace
}  // namespace serving::scheduler
