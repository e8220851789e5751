// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace serving::metrics {

// Counts whole numbers by bounds that a user chose (ascending). Not thread-safe.
class BoundedHistogram {
 public:
  explicit BoundedHistogram(std::vector<double> bounds)
      : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

  void Add(uint64_t value) {
    const auto bound = std::ranges::lower_bound(bounds_, static_cast<double>(value));
    ++counts_[static_cast<size_t>(bound - bounds_.begin())];
    sum_ += value;
  }

  const std::vector<double>& bounds() const { return bounds_; }
  // By bound, the last one for what is larger than every bound; not cumulative.
  const std::vector<uint64_t>& counts() const { return counts_; }
  uint64_t sum() const { return sum_; }

 private:
  std::vector<double> bounds_;
  std::vector<uint64_t> counts_;
  uint64_t sum_ = 0;
};

}  // namespace serving::metrics
