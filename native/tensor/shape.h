// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace serving::tensor {

// Dimensions of a tensor, inline. -1 is a free dimension in a plan; a request has none.
class Shape {
 public:
  static constexpr size_t kMaxRank = 32;

  Shape() = default;
  // `dims` has at most kMaxRank entries (checked by whoever read them).
  explicit Shape(std::span<const int64_t> dims) : rank_(static_cast<uint8_t>(dims.size())) {
    std::copy(dims.begin(), dims.end(), dims_.begin());
  }
  Shape(const Shape& other) : Shape(other.dims()) {}
  Shape& operator=(const Shape& other) {
    rank_ = other.rank_;
    std::copy_n(other.dims_.begin(), rank_, dims_.begin());
    return *this;
  }

  size_t rank() const { return rank_; }
  std::span<const int64_t> dims() const { return {dims_.data(), rank_}; }
  int64_t operator[](size_t axis) const { return dims_[axis]; }
  void Set(size_t axis, int64_t value) { dims_[axis] = value; }
  // False when the rank is full.
  bool Append(int64_t value) {
    if (rank_ == kMaxRank) return false;
    dims_[rank_++] = value;
    return true;
  }
  void Clear() { rank_ = 0; }

  // Product of the dimensions; 1 for rank 0; nothing when one is negative or the product passes
  // 2^63-1.
  std::optional<int64_t> ElementCount() const;
  // `[2,-1]`, as Triton prints it.
  std::string ToString() const;

  bool operator==(const Shape& other) const { return std::ranges::equal(dims(), other.dims()); }

 private:
  std::array<int64_t, kMaxRank> dims_;
  uint8_t rank_ = 0;
};

}  // namespace serving::tensor
