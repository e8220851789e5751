// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"

namespace serving::scheduler {

// How long a batch takes by its rows, learnt from executions: a moving average for each class of
// sizes (1, 2, 3, 4, 6, 8, 12, 16, …). A larger batch never takes less: where the averages say so,
// the smaller one is taken to be as quick.
//
// Pure: no clock, no lock, no allocation after its construction.
class CostCurve {
 public:
  struct Point {
    double rows = 0;  // average of the class
    base::Nanoseconds time{0};
    uint64_t executions = 0;
  };

  explicit CostCurve(int64_t max_rows);

  void Add(int64_t rows, base::Nanoseconds took);

  // Between measured sizes both follow the line. Beyond them the lower bound takes a small batch
  // for its share of the smallest known and a large one for as long as the largest known; the upper
  // bound takes a small one for as long as the smallest known and a large one for a multiple of
  // the largest known. Nothing before the first execution.
  std::optional<base::Nanoseconds> AtLeast(int64_t rows) const { return At(rows, true); }
  std::optional<base::Nanoseconds> AtMost(int64_t rows) const { return At(rows, false); }

  // Of all sizes.
  uint64_t executions() const { return executions_; }
  // What was measured, ascending, corrected as said above.
  std::vector<Point> Points() const;

 private:
  struct Class {
    double rows = 0;
    double time = 0;  // nanoseconds
    uint64_t executions = 0;
  };

  static size_t ClassOf(int64_t rows);
  // Of a class: no more than those above it.
  double TimeOf(size_t index) const;
  std::optional<base::Nanoseconds> At(int64_t rows, bool is_lower_bound) const;

  std::vector<Class> classes_;
  uint64_t executions_ = 0;
};

}  // namespace serving::scheduler
