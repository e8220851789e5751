// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/clock.h"
#include "scheduler/cost_curve.h"

namespace serving::scheduler {

// Rows that come in a second, averaged over the last half of one. Pure.
class ArrivalRate {
 public:
  void Add(int64_t rows, base::Instant now);
  double At(base::Instant now) const;

 private:
  double rate_ = 0;  // rows per second at `last_`
  base::Instant last_{};
};

// What the configuration allows and wants.
struct LatencyLimits {
  base::Nanoseconds target{0};              // from the arrival of a request to its answer
  base::Nanoseconds max_wait{0};            // 0 = as the target allows
  int64_t max_rows = 1;                     // of a batch
  std::span<const int64_t> preferred = {};  // sizes to wait for, ascending; empty = any
  size_t instances = 1;
};

// Why a batch is chosen as it is.
enum class ChoiceReason : uint8_t {
  kUnknown,  // too little is measured: nothing waits, batches are as large as they may
  kKeepsUp,  // single rows are served as fast as they come
  kWaits,    // batches of wanted_rows are needed, and there is time to wait for them
  kNoTime,   // they are needed and come together by themselves: the target leaves no time to wait
  kOverloaded,  // not even the largest batches are served as fast as rows come
};
std::string_view Explain(ChoiceReason reason);

struct BatchChoice {
  int64_t max_rows = 1;       // no batch is larger
  int64_t wanted_rows = 1;    // an idle instance waits for so many,
  base::Nanoseconds wait{0};  // but no longer than this
  ChoiceReason reason = ChoiceReason::kUnknown;
};

// Chooses how large batches are and what an idle instance waits for. Pure.
//
// A request that comes when a batch has just begun waits for its end and runs in the next, so two
// runs must fit into the target: larger batches are allowed only where the load needs them, since
// a queue that grows keeps no target. What an idle instance waits for is the smallest batch with
// which the instances are busy for four fifths of the time: with single rows, it does not wait.
BatchChoice ChooseBatch(const CostCurve& costs, double rows_per_second,
                        const LatencyLimits& limits);

}  // namespace serving::scheduler
