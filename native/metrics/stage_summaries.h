// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "metrics/quantile_window.h"

namespace serving::metrics {

// The stages of a request that are measured, in the order of Triton's page.
enum class Stage : size_t { kRequest, kQueue, kComputeInput, kComputeInfer, kComputeOutput };
inline constexpr size_t kStages = 5;

// Sliding quantiles of every stage, in microseconds. 207 KiB. Not thread-safe.
class StageSummaries {
 public:
  explicit StageSummaries(std::vector<double> quantiles) : quantiles_(std::move(quantiles)) {}

  void Add(Stage stage, base::Nanoseconds time, base::Instant now, uint32_t times = 1) {
    const auto us = static_cast<uint64_t>(time.count() < 0 ? 0 : time.count() / 1000);
    windows_[static_cast<size_t>(stage)].Add(us, now, times);
  }

  // Estimates by stage and, in each, by quantile.
  std::vector<std::vector<double>> Estimate(base::Instant now) {
    std::vector<std::vector<double>> estimates;
    for (QuantileWindow& window : windows_) estimates.push_back(window.Estimate(quantiles_, now));
    return estimates;
  }

 private:
  const std::vector<double> quantiles_;
  std::array<QuantileWindow, kStages> windows_;
};

}  // namespace serving::metrics
