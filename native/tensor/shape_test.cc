// SPDX-FileCopyrightText: The Nereid authors
// SPDX-License-Identifier: Apache-2.0

#include "tensor/shape.h"

#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <vector>

namespace serving::tensor {
namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

Shape Make(const std::vector<int64_t>& dims) { return Shape(std::span(dims)); }

TEST(Shape, ElementCount) {
  const std::vector<std::pair<std::vector<int64_t>, std::optional<int64_t>>> cases{
      {{}, 1},
      {{7}, 7},
      {{2, 3, 4}, 24},
      {{kMax}, kMax},
      {{kMax, 1}, kMax},
      {{kMax, 2}, std::nullopt},
      {{int64_t{1} << 32, int64_t{1} << 31}, std::nullopt},
      {{int64_t{1} << 31, int64_t{1} << 31}, int64_t{1} << 62},
      {{0}, 0},
      {{kMax, kMax, 0}, 0},  // wherever the zero stands
      {{0, kMax, kMax}, 0},
      {{-1}, std::nullopt},
      {{-1, 0}, std::nullopt},
      {{0, -1}, std::nullopt},
      {{-2, -3}, std::nullopt},
      {{std::numeric_limits<int64_t>::min()}, std::nullopt},
  };
  for (const auto& [dims, count] : cases) {
    EXPECT_EQ(Make(dims).ElementCount(), count) << Make(dims).ToString();
  }
}

TEST(Shape, PrintsAsTritonDoes) {
  EXPECT_EQ(Make({}).ToString(), "[]");
  EXPECT_EQ(Make({-1, 16}).ToString(), "[-1,16]");
}

TEST(Shape, AppendStopsAtTheMostDimensions) {
  Shape shape;
  for (size_t i = 0; i < Shape::kMaxRank; ++i) EXPECT_TRUE(shape.Append(static_cast<int64_t>(i)));
  EXPECT_FALSE(shape.Append(1));
  EXPECT_EQ(shape.rank(), Shape::kMaxRank);
  EXPECT_EQ(shape[Shape::kMaxRank - 1], static_cast<int64_t>(Shape::kMaxRank) - 1);
  shape.Clear();
  EXPECT_EQ(shape.rank(), 0u);
}

TEST(Shape, ComparesDimensionsOnly) {
  Shape longer = Make({1, 2, 3});
  longer = Make({1, 2});
  EXPECT_EQ(longer, Make({1, 2}));
  EXPECT_FALSE(longer == Make({1, 2, 3}));
  EXPECT_FALSE(longer == Make({2, 1}));
  const Shape copy(longer);
  longer.Set(0, 9);
  EXPECT_EQ(copy, Make({1, 2}));
  EXPECT_EQ(longer, Make({9, 2}));
}

}  // namespace
}  // namespace serving::tensor
