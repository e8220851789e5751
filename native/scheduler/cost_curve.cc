// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "scheduler/cost_curve.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace serving::scheduler {
namespace {

// Weight of the newest execution, once there are as many.
constexpr uint64_t kMemory = 8;

base::Nanoseconds ToTime(double nanoseconds) {
  return base::Nanoseconds(static_cast<int64_t>(nanoseconds));
}

}  // namespace

CostCurve::CostCurve(int64_t max_rows) : classes_(ClassOf(std::max<int64_t>(max_rows, 1)) + 1) {}

// Two classes for each doubling: 2^n up to 1.5 × 2^n, and the rest.
size_t CostCurve::ClassOf(int64_t rows) {
  const auto number = static_cast<uint64_t>(rows);
  const auto doublings = static_cast<size_t>(std::bit_width(number) - 1);
  if (doublings == 0) return 0;
  const bool is_upper_half = ((number >> (doublings - 1)) & 1) != 0;
  return doublings * 2 - 1 + (is_upper_half ? 1 : 0);
}

void CostCurve::Add(int64_t rows, base::Nanoseconds took) {
  Class& found = classes_[std::min(ClassOf(std::max<int64_t>(rows, 1)), classes_.size() - 1)];
  ++executions_;
  ++found.executions;
  const auto weight = 1.0 / static_cast<double>(std::min(found.executions, kMemory));
  found.rows += (static_cast<double>(rows) - found.rows) * weight;
  found.time += (static_cast<double>(took.count()) - found.time) * weight;
}

double CostCurve::TimeOf(size_t index) const {
  double time = std::numeric_limits<double>::infinity();
  for (size_t i = index; i < classes_.size(); ++i) {
    if (classes_[i].executions != 0) time = std::min(time, classes_[i].time);
  }
  return time;
}

std::optional<base::Nanoseconds> CostCurve::At(int64_t rows, bool is_lower_bound) const {
  if (executions_ == 0) return std::nullopt;
  const auto wanted = static_cast<double>(std::max<int64_t>(rows, 1));
  double rows_below = 0;
  double time_below = 0;
  bool has_below = false;
  for (size_t i = 0; i < classes_.size(); ++i) {
    if (classes_[i].executions == 0) continue;
    const double rows_here = classes_[i].rows;
    const double time_here = TimeOf(i);
    if (wanted <= rows_here) {
      if (!has_below) return ToTime(is_lower_bound ? time_here * wanted / rows_here : time_here);
      const double share = (wanted - rows_below) / (rows_here - rows_below);
      return ToTime(time_below + (time_here - time_below) * share);
    }
    rows_below = rows_here;
    time_below = time_here;
    has_below = true;
  }
  return ToTime(is_lower_bound ? time_below : time_below * wanted / rows_below);
}

std::vector<CostCurve::Point> CostCurve::Points() const {
  std::vector<Point> points;
  for (size_t i = 0; i < classes_.size(); ++i) {
    if (classes_[i].executions == 0) continue;
    points.push_back({.rows = classes_[i].rows,
                      .time = ToTime(TimeOf(i)),
                      .executions = classes_[i].executions});
  }
  return points;
}

}  // namespace serving::scheduler
