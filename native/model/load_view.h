// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "scheduler/cost_curve.h"

namespace serving::model {

// How a model forms its batches now, and why.
struct LoadView {
  std::optional<base::Nanoseconds> target;         // where batches follow one
  std::vector<scheduler::CostCurve::Point> costs;  // ascending; empty where nothing is learnt
  std::optional<double> rows_per_second;           // that come; where it is looked at
  size_t instances = 1;                            // that may run at once
  int64_t max_rows = 1;                            // of a batch
  std::vector<int64_t> wanted_rows;                // an idle instance waits for one of these,
  base::Nanoseconds wait{0};                       // but no longer than this
  std::string_view reason;
};

}  // namespace serving::model
