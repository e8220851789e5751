// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/latency_target.h"

#include <algorithm>
#include <cmath>

namespace serving::scheduler {
namespace {

using base::Nanoseconds;

constexpr double kMemorySeconds = 0.5;
// Executions before a choice is made.
constexpr uint64_t kKnown = 8;
// Share of the time that instances may be busy: beyond it queues grow with every burst.
constexpr double kBusy = 0.8;

double Seconds(Nanoseconds time) { return std::chrono::duration<double>(time).count(); }

// 1, 2, 3, 4, 6, 8, 12, … and the limit.
int64_t NextSize(int64_t rows, int64_t max_rows) {
  if (rows >= max_rows) return max_rows + 1;
  int64_t power = 1;
  while (power <= rows / 2) power *= 2;
  const int64_t next = rows == power ? power + std::max<int64_t>(power / 2, 1) : power * 2;
  return std::min(next, max_rows);
}

template <typename Visit>
void ForEachSize(const LatencyLimits& limits, Visit&& visit) {
  for (int64_t rows = 1; rows <= limits.max_rows; rows = NextSize(rows, limits.max_rows)) {
    visit(rows);
  }
}

bool IsAllowed(const LatencyLimits& limits, int64_t rows) {
  return rows == 1 || limits.preferred.empty() ||
         std::ranges::binary_search(limits.preferred, rows);
}

}  // namespace

void ArrivalRate::Add(int64_t rows, base::Instant now) {
  rate_ = At(now) + static_cast<double>(rows) / kMemorySeconds;
  last_ = now;
}

double ArrivalRate::At(base::Instant now) const {
  return rate_ * std::exp(-Seconds(std::max(now - last_, Nanoseconds(0))) / kMemorySeconds);
}

std::string_view Explain(ChoiceReason reason) {
  switch (reason) {
    case ChoiceReason::kUnknown:
      return "too little is measured yet: nothing waits, and batches are as large as they may";
    case ChoiceReason::kKeepsUp:
      return "single rows are served as fast as they come: nothing waits";
    case ChoiceReason::kWaits:
      return "batches are needed to keep up, and the target leaves time to wait for them";
    case ChoiceReason::kNoTime:
      return "batches are needed to keep up, and the target leaves no time to wait for them: they "
             "are what has come together while instances were busy";
    case ChoiceReason::kOverloaded:
      return "the largest batches do not keep up with what comes: nothing waits";
  }
  return {};
}

BatchChoice ChooseBatch(const CostCurve& costs, double rows_per_second,
                        const LatencyLimits& limits) {
  BatchChoice choice{.max_rows = limits.max_rows};
  if (costs.executions() < kKnown) return choice;
  const double capacity = static_cast<double>(std::max<size_t>(limits.instances, 1));
  int64_t in_time = 1;  // the largest of which two fit into the target
  int64_t needed = 0;   // the smallest that keeps up
  const auto look_at = [&](int64_t rows) {
    const Nanoseconds time = *costs.AtMost(rows);
    if (2 * time <= limits.target) in_time = std::max(in_time, rows);
    const double busy = rows_per_second * Seconds(time) / static_cast<double>(rows) / capacity;
    if (needed == 0 && busy <= kBusy && IsAllowed(limits, rows)) needed = rows;
  };
  ForEachSize(limits, look_at);
  for (const int64_t rows : limits.preferred) {
    if (needed == 0 || rows < needed) look_at(rows);
  }
  if (needed == 0) {
    choice.reason = ChoiceReason::kOverloaded;
    return choice;
  }
  choice.max_rows = std::max(in_time, needed);
  choice.reason = ChoiceReason::kKeepsUp;
  if (needed == 1) return choice;
  Nanoseconds time_left = limits.target - 2 * *costs.AtMost(needed);
  if (limits.max_wait.count() > 0) time_left = std::min(time_left, limits.max_wait);
  if (time_left.count() <= 0) {
    choice.reason = ChoiceReason::kNoTime;
    return choice;
  }
  const std::chrono::duration<double> filled(static_cast<double>(needed - 1) / rows_per_second);
  choice.wanted_rows = needed;
  choice.wait = std::min(time_left, std::chrono::duration_cast<Nanoseconds>(filled));
  choice.reason = ChoiceReason::kWaits;
  return choice;
}

}  // namespace serving::scheduler
